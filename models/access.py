"""API keys: what each scope may do, and the principal that holds a verified key. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from models.errors import DomainRefusal


class KeyScope(StrEnum):
    """What a key may do. The first three speak for one facility."""

    HOSPITAL = "hospital"
    STATION = "station"
    NEIGHBOUR = "neighbour"
    DISPATCHER = "dispatcher"
    DISASTER = "disaster"

    @property
    def has_facility(self) -> bool:
        return self in {KeyScope.HOSPITAL, KeyScope.STATION, KeyScope.NEIGHBOUR}


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """The holder of a verified key.

    Attributes:
        facility_id: The hospital or station it speaks for; None for dispatchers and feeds.
    """

    key_id: str
    scope: KeyScope
    facility_id: str | None

    @property
    def is_dispatcher(self) -> bool:
        return self.scope is KeyScope.DISPATCHER

    @property
    def actor(self) -> str:
        """Return the actor in the audit: the facility, or the key where the principal has none."""
        return f"{self.scope}/{self.facility_id or self.key_id}"

    @property
    def own_hospital(self) -> str | None:
        return self.facility_id if self.scope is KeyScope.HOSPITAL else None

    @property
    def own_station(self) -> str | None:
        is_station = self.scope in {KeyScope.STATION, KeyScope.NEIGHBOUR}
        return self.facility_id if is_station else None

    def may_name(self, station_id: str) -> bool:
        """Return whether the principal may see the names of a station's requests and hospitals."""
        is_own = self.scope is KeyScope.STATION and self.own_station == station_id
        return self.is_dispatcher or is_own

    def ensure_speaks_for(self, facility_id: str) -> None:
        """Raise DomainRefusal unless the facility is its own; a dispatcher speaks for all."""
        if not self.is_dispatcher and self.facility_id != facility_id:
            raise DomainRefusal("facility_not_yours", facility_id=facility_id)
