"""All stations, hospitals and routes at one moment, and the journeys between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from models.facilities import Hospital, Location, Station, estimate_eta_s
from models.rules.types.policies import POLICY_DEFAULTS, JourneyRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Journey:
    """A journey between two facilities.

    Attributes:
        eta_s: Seconds, handing over included.
        estimated: No route is recorded.
        unproven: Nobody said that its box was proven to keep the temperature, in frost or heat.
    """

    eta_s: int
    estimated: bool
    unproven: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """A snapshot of all facilities; a changed facility makes a new snapshot.

    Attributes:
        version: Rises with every change of a station, hospital or route.
        routes: (from, to) to whole seconds; each entry holds for one direction.
        proven: The routes whose box is proven to keep the temperature.
        estimate: How a journey without a route is estimated.
    """

    stations: Mapping[str, Station] = field(default_factory=dict)
    hospitals: Mapping[str, Hospital] = field(default_factory=dict)
    routes: Mapping[tuple[str, str], int] = field(default_factory=dict)
    proven: frozenset[tuple[str, str]] = frozenset()
    version: int = 0
    estimate: JourneyRule = POLICY_DEFAULTS.journey

    def find_location(self, facility_id: str) -> Location | None:
        facility = self.stations.get(facility_id) or self.hospitals.get(facility_id)
        return facility.location if facility else None

    def get_journey(self, from_id: str, to_id: str) -> Journey:
        """Return the recorded journey, or an estimate from the coordinates.

        Raises:
            KeyError: A facility is not in the directory.
        """
        known = self.routes.get((from_id, to_id))
        if known is not None:
            unproven = (from_id, to_id) not in self.proven
            return Journey(eta_s=known, estimated=False, unproven=unproven)
        origin, destination = self.find_location(from_id), self.find_location(to_id)
        if origin is None or destination is None:
            raise KeyError(from_id if origin is None else to_id)
        eta_s = estimate_eta_s(origin, destination, self.estimate)
        return Journey(eta_s=eta_s, estimated=True, unproven=True)
