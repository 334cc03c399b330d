"""Choose the units of a whole batch, so that nobody takes what only another can use.

What is covered is counted as the line counts it. Of equal units those are taken that hold no more
than is missing, and no unit stays without which the line has enough.

Pure and deterministic. Lines choose in the order of priority, each what is best for it. A line that
lacks units then asks whether somebody who chose before may have other units instead: an exchange
along a path of lines, found by breadth (an augmenting path of a matching). Whoever had units keeps
as much. So, where bags are alike, no order within a priority, and no lower priority, could have
covered more of it.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Mapping, Sequence
from datetime import datetime

from models.clearance import Cleared, Refused, UnitFacts
from models.requests import Priority
from streams.matching.allocation.line_shares import LineShare, name_line
from streams.matching.allocation.line_state import LineChoice
from streams.matching.allocation.order_limits import OrderLimits
from streams.matching.allocation.protected_groups import Waiting
from streams.matching.available_units import FREE_TIERS, Shelf
from streams.matching.decision_inputs import Case

Patience = tuple[Priority, bool]
"""As of `Waiting.describe_patience`."""


class BatchChoice:
    """Chooses for every line of a batch on one shelf; chosen units leave the shelf.

    Args:
        cases: Open requests in the order of their priority.
        shelf: Usable stock.
        now: Aware UTC instant that the decisions are made for.
        shares: By `name_line`, what a line may have while it can wait.
    """

    def __init__(
        self,
        cases: Sequence[Case],
        *,
        shelf: Shelf,
        now: datetime,
        shares: Mapping[str, LineShare],
    ) -> None:
        self.lines = [
            [
                LineChoice(
                    case,
                    line,
                    now=now,
                    shelf=shelf,
                    share=shares.get(name_line(case.request.request_id, line.line_no)),
                )
                for line in case.request.lines
            ]
            for case in cases
        ]
        self._shelf = shelf
        self._limits = OrderLimits(self.lines, shelf=shelf, may_have=self._may_have, now=now)
        self._capped: Counter[tuple[str, str]] = Counter()
        # By whose sake: lines that no exchange can serve, and that have no other unit to take. As
        # the shelf only empties, they stay so.
        self._stuck: dict[Patience, set[LineChoice]] = defaultdict(set)
        self._without: dict[Patience, set[LineChoice]] = defaultdict(set)
        # Of the exchange that is looked for: some unit was passed over as too small.
        self._is_uneven = False
        # What was given by hand stays where it was given.
        self._fixed: set[str] = set()

    def choose(self) -> None:
        for lines in self.lines:
            for line in lines:
                self._give_by_hand(line)
        for lines in self.lines:
            for line in lines:
                self._serve(line)

    def count_capped(self, line: LineChoice) -> int:
        """Count what this batch gave to the line's patient under the cap."""
        return self._capped[line.case.capped_as]

    def _judge(self, line: LineChoice, unit: UnitFacts) -> Cleared | Refused:
        return line.judge(unit, purpose=line.purpose(capped=self.count_capped(line)))

    def _give_by_hand(self, line: LineChoice) -> None:
        """Give a line the bags that were given to it by hand, as long as it lacks any.

        Whether they are kept for others is the dispatcher's to weigh; whether they may go to this
        patient is not.
        """
        for given in line.case.hand.list_for(line.line.line_no):
            capped = self.count_capped(line)
            for is_released in (False, True):
                purpose = line.purpose(capped=capped, is_released=is_released)
                answer = line.judge(given.unit, purpose=purpose)
                if line.lacks and isinstance(answer, Cleared):
                    self._fixed.add(given.unit.unit_id)
                    self._capped[line.case.capped_as] += answer.capped
                    line.add(answer)
                    break

    def _list_movable(self, line: LineChoice) -> list[Cleared]:
        """List the units of a line that this batch chose itself."""
        return [chosen for chosen in line.chosen if chosen.unit.unit_id not in self._fixed]

    def _may_have(self, line: LineChoice, unit: UnitFacts) -> bool:
        return line.may_have(unit, capped=self.count_capped(line), free_on=self._shelf)

    def _serve(self, line: LineChoice) -> None:
        if not line.lacks:
            return
        self._limits.apply(line)
        if not line.lacks:
            return
        self._take_free(line)
        while line.lacks and self._exchange(line):
            # Whoever got a larger bag put back what it no longer needs.
            self._take_free(line)
        if line.lacks and line.has_release:
            self._release(line)
        self._trim(line)
        if not line.is_useful:
            self._drop(line)

    def _take_free(self, line: LineChoice) -> None:
        for units in line.list_equals(self._shelf, line.tiers):
            if not line.lacks:
                return
            self._take_fitting(line, units)

    def _release(self, line: LineChoice) -> None:
        """Give what a clinician takes past a test; that past which the least is passed is first."""

        def judge(unit: UnitFacts) -> Cleared | None:
            asked = line.purpose(capped=self.count_capped(line), is_released=True)
            answer = line.judge(unit, purpose=asked)
            return answer if isinstance(answer, Cleared) else None

        may_go = [
            cleared
            for unit in line.list_choices(self._shelf, line.tiers)
            if (cleared := judge(unit)) is not None
        ]
        for first in sorted(may_go, key=lambda cleared: len(cleared.passed)):
            if not line.lacks:
                return
            # What was given meanwhile counts towards the cap.
            cleared = judge(first.unit)
            if cleared is not None:
                self._give(line, cleared)

    def _take_fitting(self, line: LineChoice, units: Sequence[UnitFacts]) -> None:
        """Take the units that hold no more than is missing, then the smallest that covers it."""
        larger = []
        for unit in units:
            if not line.lacks:
                return
            if line.content_of(unit) > line.lacks:
                larger.append(unit)
            else:
                self._take(line, unit)
        for unit in sorted(larger, key=line.content_of):
            if not line.lacks:
                return
            self._take(line, unit)

    def _take(self, line: LineChoice, unit: UnitFacts) -> None:
        cleared = self._find_clearance(line, unit, waiting=line.waiting)
        if cleared is not None:
            self._give(line, cleared)

    def _trim(self, line: LineChoice) -> None:
        """Put back every unit without which the line has all that it lacked."""
        for cleared in reversed(self._list_movable(line)):
            if line.content_of(cleared.unit) <= line.spare:
                self._take_back(line, cleared.unit)
                self._stuck.clear()
                self._without.clear()

    def _find_clearance(
        self, line: LineChoice, unit: UnitFacts, *, waiting: Waiting
    ) -> Cleared | None:
        """Return the clearance of a free unit, unless it is refused or kept."""
        if line.find_kept(unit, waiting=waiting, free_on=self._shelf) is not None:
            return None
        answer = self._judge(line, unit)
        return answer if isinstance(answer, Cleared) else None

    def _exchange(self, short: LineChoice) -> bool:
        """Get a line one more unit by an exchange; return whether there is one."""
        self._is_uneven = False
        came_from: dict[LineChoice, tuple[LineChoice, UnitFacts]] = {}
        queue = deque([short])
        reached = {short}
        stuck = self._stuck[short.patience]
        holders = self._list_holders(short)
        while queue:
            taker = queue.popleft()
            for holder in holders:
                if holder in reached or holder in stuck:
                    continue
                given = came_from[taker][1] if taker in came_from else None
                wanted = self._find_held(taker, holder, short, given=given)
                if wanted is None:
                    continue
                reached.add(holder)
                came_from[holder] = (taker, wanted)
                instead = self._find_instead(holder, short, given=wanted)
                if instead is not None:
                    self._hand_on(holder, instead, came_from)
                    return True
                queue.append(holder)
        if not self._is_uneven:
            stuck |= reached
        return False

    def _list_holders(self, short: LineChoice) -> list[LineChoice]:
        """List the lines of the same component and station that have units of this batch."""
        return [
            line
            for lines in self.lines
            for line in lines
            if line.chosen
            and line.line.component is short.line.component
            and line.case.request.station_id == short.case.request.station_id
        ]

    def _find_held(
        self,
        taker: LineChoice,
        holder: LineChoice,
        short: LineChoice,
        *,
        given: UnitFacts | None,
    ) -> UnitFacts | None:
        """Find a unit that one line has and another might have, the first choice first.

        Whoever gives a unit away gets one that covers no less.
        """
        for cleared in self._list_movable(holder):
            if cleared.unit.group not in taker.groups:
                continue
            if self._shelf.is_promised(cleared.unit) and not short.waiting.is_in_danger:
                continue
            if taker.find_kept(cleared.unit, waiting=short.waiting) is not None:
                continue
            answer = self._judge(taker, cleared.unit)
            # Whoever is on the way of an exchange gets nothing under the cap: it could be passed.
            may_have = isinstance(answer, Cleared) and (taker is short or not answer.capped)
            if may_have and (given is None or self._covers(taker, cleared.unit, given)):
                return cleared.unit
        return None

    def _covers(self, line: LineChoice, unit: UnitFacts, given: UnitFacts) -> bool:
        """Return whether a unit covers no less than another.

        If not, what was tried may yet succeed.
        """
        covers = line.content_of(unit) >= line.content_of(given)
        self._is_uneven |= not covers
        return covers

    def _find_instead(
        self, holder: LineChoice, short: LineChoice, *, given: UnitFacts
    ) -> Cleared | None:
        """Find a free unit that a line might have instead, without any sacrifice of rare blood.

        It covers no less than the unit that the line gives away.
        """
        without = self._without[short.patience]
        if holder in without:
            return None
        has_smaller = False
        tiers = holder.tiers if short.waiting.is_in_danger else FREE_TIERS
        for unit in holder.list_choices(self._shelf, tiers):
            if unit.may_have_left and holder.waiting.is_in_danger:
                continue
            cleared = self._find_clearance(holder, unit, waiting=short.waiting)
            if cleared is not None and not cleared.capped:
                if self._covers(holder, unit, given):
                    return cleared
                has_smaller = True
        if not has_smaller:
            without.add(holder)
        return None

    def _hand_on(
        self,
        holder: LineChoice,
        instead: Cleared,
        came_from: dict[LineChoice, tuple[LineChoice, UnitFacts]],
    ) -> None:
        """Give the free unit to the last holder, and each holder's unit to who asked for it."""
        steps = [(holder, instead.unit)]
        while holder in came_from:
            taker, unit = came_from[holder]
            self._take_back(holder, unit)
            steps.append((taker, unit))
            holder = taker
        for line, unit in steps:
            answer = self._judge(line, unit)
            if isinstance(answer, Cleared):
                self._give(line, answer)
        for line, _ in steps:
            self._trim(line)

    def _give(self, line: LineChoice, cleared: Cleared) -> None:
        self._shelf.take(cleared.unit)
        self._capped[line.case.capped_as] += cleared.capped
        line.add(cleared)

    def _take_back(self, line: LineChoice, unit: UnitFacts) -> None:
        (cleared,) = (chosen for chosen in line.chosen if chosen.unit is unit)
        line.give_up(unit)
        self._capped[line.case.capped_as] -= cleared.capped
        self._shelf.put_back(unit)

    def _drop(self, line: LineChoice) -> None:
        """Put a part that helps nobody back, for who may use it."""
        line.part_dropped = line.useful_units
        self._stuck.clear()
        self._without.clear()
        for cleared in self._list_movable(line):
            self._take_back(line, cleared.unit)
