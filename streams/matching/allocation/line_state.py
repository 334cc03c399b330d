"""One line of a batch while its units are chosen: what it may get, and what it has so far. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from itertools import chain, groupby

from models.clearance import Cleared, ForPatient, Refused, Route, Step, UnitFacts
from models.compatibility import Candidate
from models.decisions import Reason
from models.doses import content_of, sum_content
from models.groups import BloodGroup
from models.needs import count_unmet, find_demands, list_components
from models.requests import Priority, RequestLine
from models.safety import clear, find_release, list_standing_obstacles
from streams.matching.allocation.line_shares import LineShare
from streams.matching.allocation.protected_groups import (
    Waiting,
    find_kept,
    is_kept_from_nobody,
    is_kept_group,
)
from streams.matching.allocation.useful_parts import find_least_useful, is_useful_part
from streams.matching.available_units import FREE_TIERS, Cell, Shelf, Tier
from streams.matching.choice_order import kind_of
from streams.matching.decision_inputs import Case
from streams.matching.kernel_routes import to_hospital


class LineChoice:
    """A line, the units chosen for it, and the safety kernel's answers about others.

    Args:
        case: The request, with all that its decision depends on besides the stock.
        line: One of its lines.
        now: Aware UTC instant that the decision is made for.
        shelf: Usable stock, before anybody has chosen.
        share: What it may have while it can wait; None where nothing is kept from it.
    """

    def __init__(
        self,
        case: Case,
        line: RequestLine,
        *,
        now: datetime,
        shelf: Shelf,
        share: LineShare | None = None,
    ) -> None:
        self.case = case
        self.line = line
        self._share = share
        self.wanted = case.find_lack(line)
        self.asked_back: tuple[Reason, ...] = ()
        self.part_dropped = 0
        self._content = 0
        self._now = now
        self._chosen: dict[str, Cleared] = {}
        self._answers: dict[tuple[str, int, bool], Cleared | Refused] = {}
        self._kept_groups: dict[tuple[BloodGroup, Priority], bool] = {}
        self.standing = self._find_standing(shelf)
        """The reasons that hold whatever the unit."""

    @cached_property
    def route(self) -> Route:
        return to_hospital(self.case.hospital, self.case.journey, now=self._now)

    @cached_property
    def candidates(self) -> tuple[Candidate, ...]:
        return self.case.candidates(self.line)

    def _find_standing(self, shelf: Shelf) -> tuple[Reason, ...]:
        """List what stands against every bag; a hospital that cannot thaw can use a thawed one."""
        found = list_standing_obstacles(self.purpose(capped=0), self.route, self.case.rules)
        others = tuple(reason for reason in found if reason.code != "hospital_cannot_thaw")
        if others == found:
            return found
        given = [by_hand.unit for by_hand in self.case.hand.list_for(self.line.line_no)]
        units = (*given, *self.list_choices(shelf))
        is_thawed = any(unit.traits.thawed_at is not None for unit in units)
        return others if is_thawed else found

    @cached_property
    def waiting(self) -> Waiting:
        return Waiting.of(self.purpose(capped=0), arrival_at=self.route.arrival_at)

    @property
    def chosen(self) -> tuple[Cleared, ...]:
        """Return the clearances of the chosen units, best group and first choice first."""
        return tuple(self._chosen.values())

    @property
    def capped(self) -> int:
        return sum(cleared.capped for cleared in self._chosen.values())

    def content_of(self, unit: UnitFacts) -> int:
        """Return how much of the line a unit covers, in hundredths of its measure."""
        return content_of(unit.component, unit.volume_ml, self.line.measure)

    @property
    def lacks(self) -> int:
        """Return what is still missing, in hundredths of the measure."""
        return 0 if self.standing else max(0, self.wanted - self._content)

    def hold_back(self, most: int, reasons: tuple[Reason, ...]) -> None:
        """Give no more than so much beside what it has; the rest is asked back.

        Args:
            most: In hundredths of the measure. What was given by hand stays.
            reasons: Why, one for each rule that asks.
        """
        self.wanted, self.asked_back = self._content + most, reasons

    @property
    def unconfirmed(self) -> int:
        """Return what is asked back, in hundredths of the measure."""
        if self.standing:
            return 0
        return max(0, self.case.find_lack(self.line) - max(self.wanted, self._content))

    @property
    def spare(self) -> int:
        """Return what the chosen units hold beyond what was missing, in hundredths."""
        return max(0, self._content - self.wanted)

    @property
    def covered(self) -> int:
        """Return what the line has with all its units, in hundredths of the measure."""
        return self.case.covered.get(self.line.line_no, 0) + self._content

    @property
    def least_useful(self) -> int:
        """Return the ordering units from which on the line is of use, with what it has already."""
        return find_least_useful(self.line, self.case.rules.policies.useful_part)

    @property
    def useful_units(self) -> int:
        """Return what all bags of the line hold, in hundredths of the ordering unit."""
        before = self.case.covered_units.get(self.line.line_no, 0)
        return before + sum_content(cleared.unit for cleared in self.chosen)

    @property
    def is_useful(self) -> bool:
        """Return whether the units, with those of earlier, help the patient."""
        part = self.case.rules.policies.useful_part
        return not self._chosen or is_useful_part(
            self.line, part, covered=self.covered, units=self.useful_units
        )

    def purpose(self, *, capped: int, is_released: bool = False) -> ForPatient:
        """Return the purpose of a unit.

        Args:
            capped: What this batch gave under the cap.
            is_released: By the word of a named clinician; what fits without it is chosen first.
        """
        asked = self.case.purpose(self.line, capped_units=self.case.capped_before + capped)
        return asked if is_released or asked.release is None else replace(asked, release=None)

    @cached_property
    def has_release(self) -> bool:
        asked = self.purpose(capped=0, is_released=True)
        return find_release(asked, self.case.rules) is not None

    def judge(self, unit: UnitFacts, *, purpose: ForPatient) -> Cleared | Refused:
        """Ask the safety kernel about a unit; the same question is asked once."""
        key = (unit.unit_id, purpose.capped_units, purpose.release is not None)
        if key not in self._answers:
            self._answers[key] = clear(
                unit,
                purpose=purpose,
                step=Step.RESERVE,
                route=self.route,
                now=self._now,
                rules=self.case.rules,
            )
        return self._answers[key]

    def find_kept(
        self, unit: UnitFacts, *, waiting: Waiting, free_on: Shelf | None = None
    ) -> Reason | None:
        """Return why a unit is kept from this patient; a free unit may be one of the last."""
        if waiting.is_in_danger:
            return None
        return self._find_shared(unit) or self._find_protected(unit, waiting, free_on)

    def may_have(self, unit: UnitFacts, *, capped: int, free_on: Shelf) -> bool:
        """Return whether a free unit fits and is not kept for others, but for expected need.

        Args:
            unit: It lies free.
            capped: As of `purpose`.
            free_on: The shelf that it lies on.
        """
        if not self.waiting.is_in_danger and self._find_protected(unit, self.waiting, free_on):
            return False
        return isinstance(self.judge(unit, purpose=self.purpose(capped=capped)), Cleared)

    def _find_shared(self, unit: UnitFacts) -> Reason | None:
        """Return that a unit is beyond the share of the shelf that the line may have now."""
        rules = self.case.rules
        if self._share is None or unit.may_have_left:
            return None
        if is_kept_from_nobody(unit, now=self._now, rules=rules):
            return None
        chosen = (cleared.unit for cleared in self.chosen)
        return self._share.find_kept(unit, chosen=chosen, rules=rules)

    def _find_protected(
        self, unit: UnitFacts, waiting: Waiting, free_on: Shelf | None
    ) -> Reason | None:
        return find_kept(
            unit,
            is_kept_group=self._is_kept_group(unit, waiting),
            waiting=waiting,
            now=self._now,
            free=None if free_on is None else free_on.measure(Cell.of(unit)),
            rules=self.case.rules,
        )

    def _is_kept_group(self, unit: UnitFacts, waiting: Waiting) -> bool:
        key = (unit.group, waiting.priority)
        if key not in self._kept_groups:
            patient = self.case.request.patient
            self._kept_groups[key] = is_kept_group(
                unit.group, self.line.component, patient, waiting.priority, self.candidates
            )
        return self._kept_groups[key]

    @property
    def is_shared(self) -> bool:
        """Return whether the line may have its share of the shelf alone."""
        return self._share is not None

    @property
    def is_particular(self) -> bool:
        """Return whether something beside the group is demanded, so that not every bag serves."""
        return self.case.demands_more(self.line)

    @cached_property
    def groups(self) -> frozenset[BloodGroup]:
        """Return the groups that may be given."""
        return frozenset(candidate.group for candidate in self.candidates)

    @cached_property
    def patience(self) -> tuple[Priority, bool]:
        return self.waiting.describe_patience(now=self._now, rules=self.case.rules)

    @property
    def tiers(self) -> tuple[Tier, ...]:
        """Return what the line may have: in danger of life also what is promised to others."""
        return tuple(Tier) if self.waiting.is_in_danger else FREE_TIERS

    def list_equals(
        self, shelf: Shelf, tiers: Sequence[Tier] = FREE_TIERS
    ) -> Iterator[list[UnitFacts]]:
        """Yield the units in the order of choice, those together that only expiry tells apart."""

        def told_apart(unit: UnitFacts) -> tuple[object, ...]:
            return unit.component, unit.group, count_unmet(unit, self._preferred), kind_of(unit)

        for tier in tiers:
            for _, equals in groupby(self.list_choices(shelf, (tier,)), key=told_apart):
                yield list(equals)

    def list_choices(self, shelf: Shelf, tiers: Sequence[Tier] = FREE_TIERS) -> Iterator[UnitFacts]:
        """Yield the units of the groups that may be given, in the order of choice."""
        for tier in tiers:
            for cells in self._places:
                lying = chain.from_iterable(shelf.list_units(cell, (tier,)) for cell in cells)
                yield from self._put_first_what_is_preferred(lying)

    def _put_first_what_is_preferred(self, units: Iterable[UnitFacts]) -> Iterable[UnitFacts]:
        """Within one group those go first that have more of what the patient's needs prefer."""
        preferred = self._preferred
        return sorted(units, key=lambda unit: count_unmet(unit, preferred)) if preferred else units

    @cached_property
    def _preferred(self) -> frozenset[str]:
        purpose = self.purpose(capped=0)
        return find_demands(purpose, self.line.component, self.case.rules).preferred

    @property
    def cells(self) -> Iterator[Cell]:
        """Yield the places of the groups that may be given, best first."""
        return chain.from_iterable(self._places)

    @cached_property
    def _places(self) -> tuple[tuple[Cell, ...], ...]:
        """Return the places of each group and component that may be given for the line."""
        station_id = self.case.request.station_id
        components = list_components(self.purpose(capped=0), self.case.rules)
        return tuple(
            tuple(
                Cell(station_id=station_id, component=component, group=candidate.group)
                for component in components
            )
            for candidate in self.candidates
        )

    def add(self, cleared: Cleared) -> None:
        self._chosen[cleared.unit.unit_id] = cleared
        self._content += self.content_of(cleared.unit)

    def give_up(self, unit: UnitFacts) -> None:
        del self._chosen[unit.unit_id]
        self._content -= self.content_of(unit)
