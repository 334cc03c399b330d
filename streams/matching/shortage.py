"""Decide whether a station lacks a component of a group, how badly, and whether to publish it.

Pure and deterministic: no IO, no clock. A shortage begins at a threshold and ends above it, so that
one unit more or less does not make it flap.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from models.alerts import Activation
from models.base import derive_id
from models.compatibility import list_candidates
from models.components import Component
from models.facilities import ShortageThresholds, Station, StationPolicy
from models.groups import BloodGroup, RhD
from models.patients import Patient
from models.recipients import find_recipient
from models.requests import Priority, RequestLine
from models.rules.rulebook import Rulebook
from models.rules.types.shortages import ShortageRules
from models.shortages import Shortage, ShortageLevel, ShortageStatus, level_of
from streams.matching.allocation.protected_groups import is_kept_group
from streams.matching.burn_rate import Burn, find_burn
from streams.matching.float_sums import round_up


@dataclass(frozen=True, slots=True, kw_only=True)
class CellCount:
    """One component of one group at one station, in units.

    Attributes:
        available: Released, unpromised, unexpired.
        promised: Promised to patients within the burn window.
        promised_recently: Of those, within the longer of the two short windows.
        promised_in_surge: Of those, within the shorter one.
        uncovered: Units that patients of this group wait for now.
        urgent: Of those, what is waited for urgently or in danger of life.
        endangered: Of those, what is waited for in danger of life.
        expected: Units that disasters which the station leads are expected to need beyond those
            that patients were promised and wait for.
        past_shortages: Shortages this place ever had; part of the next shortage's identifier.
        donor_groups: Groups that serve the patients who wait, best first; empty if nobody waits.
        called_groups: Groups whose donors are called for them; a routine order calls no donors.
    """

    component: Component
    group: BloodGroup
    available: int = 0
    promised: int = 0
    promised_recently: int = 0
    promised_in_surge: int = 0
    uncovered: int = 0
    urgent: int = 0
    endangered: int = 0
    expected: int = 0
    past_shortages: int = 0
    donor_groups: tuple[BloodGroup, ...] = ()
    called_groups: tuple[BloodGroup, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """How well a place is supplied.

    Attributes:
        burn_per_d: Units a day, over the time that the available units will last.
        is_surging: More went in the last hours than on other days.
        days_of_supply: None where nothing burns.
        missing: Units that patients wait for, and units that lift the stock back to green or to
            what a disaster is expected to need.
    """

    burn_per_d: float
    is_surging: bool
    days_of_supply: float | None
    level: ShortageLevel
    missing: int


class ShortageStep(StrEnum):
    DECLARED = "declared"
    CHANGED = "changed"
    CLEARED = "cleared"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShortageChange:
    """A shortage as it stands from now on, and the step that led to it."""

    shortage: Shortage
    step: ShortageStep


def estimate_burn(
    count: CellCount, *, station: Station, is_short: bool = False, rules: ShortageRules
) -> Burn:
    """Estimate the use of a place: usual demand, or what was promised if more.

    Args:
        count: Units promised, by how long ago.
        station: Station whose usual demand holds.
        is_short: A shortage of the place is open.
        rules: Frequencies and windows.
    """
    usual = station.daily_demand.get(count.component, 0.0) * rules.groups.share_of(count.group)
    return find_burn(
        usual_per_d=usual,
        in_window=count.promised,
        recent=count.promised_recently,
        surge=count.promised_in_surge,
        is_short=is_short,
        rule=rules.burn,
    )


def expect_of_disasters(
    led: Iterable[Activation], rules: ShortageRules
) -> dict[tuple[Component, BloodGroup], int]:
    """Return what the disasters that a station leads are expected to need, place by place.

    By the groups of the population, each rounded up. RhD- is left out: who needs it is expected
    nowhere, and is served when they come.
    """
    expected: Counter[tuple[Component, BloodGroup]] = Counter()
    for activation in led:
        for need in activation.needs:
            for group in BloodGroup:
                if group.rhd is RhD.POSITIVE:
                    share = rules.groups.abo[group.abo]
                    expected[need.component, group] += round_up(need.units * share)
    return dict(expected)


def list_serving_groups(
    component: Component, group: BloodGroup, policy: StationPolicy, rules: Rulebook
) -> tuple[BloodGroup, ...]:
    """List the groups that serve any patient of a group, best first, without special terms."""
    candidates = list_candidates(
        component=component,
        patient=Patient(group=group),
        priority=Priority.ROUTINE,
        policy=policy,
        rules=rules,
    )
    return tuple(candidate.group for candidate in candidates if not candidate.low_titre_only)


def list_given_groups(
    line: RequestLine,
    patient: Patient,
    priority: Priority,
    policy: StationPolicy,
    rules: Rulebook,
) -> tuple[BloodGroup, ...]:
    """List the groups that the engine would give for a line now, best first.

    Groups on special terms are left out: neither a donor nor a neighbour can say what titre a unit
    will have.
    """
    own = find_recipient(line.component.spec.component_class, patient).group
    candidates = list_candidates(
        component=line.component,
        patient=patient,
        priority=priority,
        policy=policy,
        rules=rules,
    )
    return tuple(
        candidate.group
        for candidate in candidates
        if not candidate.low_titre_only
        and not is_kept_group(candidate.group, line.component, patient, priority, candidates)
        and (not line.attributes.identical_group_only or candidate.group is own)
    )


def join_groups(lists: Iterable[Sequence[BloodGroup]]) -> tuple[BloodGroup, ...]:
    """Join lists of groups: each once, by its best rank in any list; RhD+ first among equals."""
    ranks: dict[BloodGroup, int] = {}
    for groups in lists:
        for rank, group in enumerate(groups):
            ranks[group] = min(rank, ranks.get(group, rank))
    order = list(BloodGroup)
    return tuple(
        sorted(
            ranks,
            key=lambda group: (ranks[group], group.rhd is RhD.NEGATIVE, order.index(group)),
        )
    )


def list_called_groups(donor_groups: Sequence[BloodGroup]) -> tuple[BloodGroup, ...]:
    """List the groups whose donors are called, best first: no RhD- where RhD+ is best.

    For RhD- patients RhD+ is second best, however pressing: donors of both are called.
    """
    if not donor_groups or donor_groups[0].rhd is RhD.NEGATIVE:
        return tuple(donor_groups)
    return tuple(group for group in donor_groups if group.rhd is RhD.POSITIVE)


def find_wanted_group(
    component: Component,
    patient: Patient,
    priority: Priority,
    policy: StationPolicy,
    rules: Rulebook,
) -> BloodGroup | None:
    """Return the group that a patient would best be given; None if nothing is allowed.

    Units that a patient waits for are counted under this group, so that an unknown patient lacks O.
    """
    candidates = list_candidates(
        component=component, patient=patient, priority=priority, policy=policy, rules=rules
    )
    return candidates[0].group if candidates else None


def measure(
    count: CellCount,
    *,
    station: Station,
    level_before: ShortageLevel = ShortageLevel.GREEN,
    rules: ShortageRules,
) -> Measure:
    """Measure one place.

    Args:
        count: Units in stock and units asked for.
        station: Station whose usual demand and thresholds hold.
        level_before: The colour of the open shortage; it improves only above its threshold.
        rules: Frequencies, burn window and margins.
    """
    is_short = level_before is not ShortageLevel.GREEN
    burn = estimate_burn(count, station=station, is_short=is_short, rules=rules)
    thresholds = station.policy.thresholds
    days = burn.last(count.available)
    level, lift = ShortageLevel.GREEN, 0
    expected = burn.use_within(thresholds.yellow_below_d)
    if days is not None and expected >= rules.expected.least_units:
        level = _find_level(days, thresholds, level_before, rules)
    if level is not ShortageLevel.GREEN:
        target = round_up(burn.use_within(thresholds.yellow_below_d * (1 + rules.recovery.margin)))
        lift = max(0, target - count.available)
    beyond = max(0, count.expected - count.available)
    if beyond:
        # Blood moves towards a disaster before its first patient waits.
        level = max(level, ShortageLevel.ORANGE, key=lambda level: level.severity)
    if count.uncovered:
        # A patient waits now: at least orange, and red where nothing at all is left.
        waiting = ShortageLevel.ORANGE if count.available else ShortageLevel.RED
        level = max(level, waiting, key=lambda level: level.severity)
    return Measure(
        burn_per_d=burn.rate_over(count.available),
        is_surging=bool(burn.surges),
        days_of_supply=days,
        level=level,
        missing=count.uncovered + max(lift, beyond),
    )


def decide_shortage(
    count: CellCount,
    *,
    station: Station,
    current: Shortage | None,
    now: datetime,
    rules: Rulebook,
) -> ShortageChange | None:
    """Decide whether to declare, change or clear the shortage of one place.

    Args:
        count: Units in stock and units asked for.
        station: The station in question.
        current: Its open shortage of this place, if there is one.
        now: Aware UTC instant of the assessment.
        rules: The rulebook to decide by.

    Returns:
        The change to write and publish, or None if nothing changed that matters to neighbours.
    """
    level_before = current.level if current else ShortageLevel.GREEN
    found = measure(count, station=station, level_before=level_before, rules=rules.shortages)
    is_short = found.level is not ShortageLevel.GREEN
    if current is None:
        if not is_short:
            return None
        step = ShortageStep.DECLARED
    elif not is_short:
        step = ShortageStep.CLEARED
    elif _is_news(current, count, found, station=station, rules=rules):
        step = ShortageStep.CHANGED
    else:
        return None
    return ShortageChange(
        shortage=_describe(count, found, station=station, current=current, now=now, rules=rules),
        step=step,
    )


def _find_level(
    days: float, thresholds: ShortageThresholds, before: ShortageLevel, rules: ShortageRules
) -> ShortageLevel:
    """Return the colour; a better colour than before must also hold with the margin."""
    plain = level_of(days, thresholds)
    if plain.severity >= before.severity:
        return plain
    # 6.6 / 1.1 is less than 6 in floating point: what was delivered as missing would not suffice.
    cautious = level_of(round(days / (1 + rules.recovery.margin), 9), thresholds)
    return min(cautious, before, key=lambda level: level.severity)


def _list_donor_groups(
    count: CellCount, station: Station, rules: Rulebook
) -> tuple[BloodGroup, ...]:
    """List the groups that serve those who wait; if nobody waits, those that fill the shelf.

    Nobody sends RhD- red cells to a shelf of RhD+: at most 0.5 % of donors can replace them.
    """
    if count.donor_groups:
        return count.donor_groups
    serving = list_serving_groups(count.component, count.group, station.policy, rules)
    return list_called_groups(serving) if count.component.spec.carries_red_cells else serving


def _is_news(
    current: Shortage, count: CellCount, found: Measure, *, station: Station, rules: Rulebook
) -> bool:
    before = (
        current.level,
        current.uncovered_units,
        current.urgent_units,
        current.endangered_units,
    )
    if before != (found.level, count.uncovered, count.urgent, count.endangered):
        return True
    groups = (current.donor_groups, current.called_groups)
    if groups != (_list_donor_groups(count, station, rules), count.called_groups):
        return True
    moved = abs(found.missing - current.units_missing)
    return moved >= max(1.0, rules.shortages.change.share * current.units_missing)


def _describe(
    count: CellCount,
    found: Measure,
    *,
    station: Station,
    current: Shortage | None,
    now: datetime,
    rules: Rulebook,
) -> Shortage:
    is_short = found.level is not ShortageLevel.GREEN
    shortage_id = derive_id(
        "shortage", station.station_id, count.component, count.group, count.past_shortages
    )
    return Shortage(
        shortage_id=current.shortage_id if current else shortage_id,
        station_id=station.station_id,
        component=count.component,
        group=count.group,
        level=found.level,
        status=ShortageStatus.OPEN if is_short else ShortageStatus.CLEARED,
        days_of_supply=None if found.days_of_supply is None else round(found.days_of_supply, 2),
        units_missing=found.missing if is_short else 0,
        uncovered_units=count.uncovered,
        urgent_units=count.urgent,
        endangered_units=count.endangered,
        expected_units=max(0, count.expected - count.available),
        donor_groups=_list_donor_groups(count, station, rules),
        called_groups=count.called_groups,
        version=current.version + 1 if current else 1,
        assessed_at=now,
    )
