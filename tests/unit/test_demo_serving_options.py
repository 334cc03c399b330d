"""What the report says would have served: from decisions and bags, by the product's own kernel."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from types import SimpleNamespace
from typing import cast

import pytest

from demo.actor_context import DrillStage
from demo.day_record import Board, RequestView, StockSample
from demo.event_lines import Storyteller
from demo.free_bags import list_free
from demo.results import list_served, read_texts
from demo.scenario import Scenario, read_scenario
from demo.serving_options import FreeBag, Lever, count_kept, explain_shortfalls
from demo.unserved import Unserved, describe_lever, explain, to_rows
from gateway.files.exports import HEADINGS, STATUS_WORDS
from models.clearance import UnitFacts
from models.components import Component
from models.decisions import Decision, LineDecision, Outcome, Reason, ReservedUnit
from models.groups import BloodGroup
from models.requests import Priority, UrgentRequest
from models.rules.rulebook import PACKAGED
from models.units import UnitStatus, UnitTraits

HOUR = timedelta(hours=1)
O_POS = BloodGroup.O_POS


@pytest.fixture(scope="module")
def dingri() -> Scenario:
    return read_scenario("dingri")


def _request(
    scenario: Scenario,
    *,
    need_h: float = 12,
    priority: Priority = Priority.URGENT,
    component: Component = Component.RED_CELLS,
    group: str | None = "O+",
    attributes: object = None,
) -> UrgentRequest:
    return UrgentRequest.model_validate(
        {
            "request_id": "r-1",
            "hospital_id": "shigatse-people",
            "station_id": "shigatse",
            "patient": {"group": group, "reference": "P0001"},
            "priority": priority,
            "needed_by": scenario.at(need_h),
            "lines": [
                {
                    "line_no": 1,
                    "component": component,
                    "quantity": 2,
                    "attributes": attributes or {},
                }
            ],
        }
    )


def _decision(
    scenario: Scenario,
    *refusals: Reason,
    at_h: float = 2,
    uncovered: int = 2,
    refused: int = 0,
    outcome: Outcome = Outcome.WAITING,
) -> Decision:
    line = LineDecision(
        line_no=1,
        component=Component.RED_CELLS,
        requested=2,
        uncovered=uncovered,
        refused=refused,
        refusals=refusals,
    )
    return Decision(
        decision_id="d",
        request_id="r-1",
        hospital_id="shigatse-people",
        station_id="shigatse",
        version=1,
        outcome=outcome,
        lines=(line,),
        decided_at=scenario.at(at_h),
        rules_version=PACKAGED.version,
    )


def _bags(
    scenario: Scenario,
    station_id: str,
    *,
    count: int = 3,
    group: BloodGroup = O_POS,
    since_h: float = -5,
    traits: UnitTraits | None = None,
) -> list[FreeBag]:
    return [
        FreeBag(
            unit=UnitFacts(
                unit_id=f"{station_id}-{at}",
                station_id=station_id,
                component=Component.RED_CELLS,
                group=group,
                volume_ml=200,
                status=UnitStatus.AVAILABLE,
                collected_at=scenario.at(-72),
                expires_at=scenario.at(240),
                released=True,
                recalled=False,
                epoch=0,
                traits=traits or UnitTraits(),
            ),
            since=scenario.at(since_h),
        )
        for at in range(count)
    ]


def _levers(
    scenario: Scenario,
    request: UrgentRequest,
    bags: Sequence[FreeBag] = (),
    *refusals: Reason,
    free: int = 3,
) -> list[Lever]:
    (found,) = explain_shortfalls(
        scenario,
        request,
        [_decision(scenario, *refusals)],
        bags=bags,
        count_free=lambda *_: free,
    )
    return list(found.levers)


def _kinds(levers: Sequence[Lever]) -> set[str]:
    return {lever.kind for lever in levers}


@pytest.mark.parametrize(
    ("priority", "free", "kind"),
    [
        # Lhasa uses 9.5 O+ a day and keeps 43 of them; one day for who waits urgently.
        (Priority.ROUTINE, 43, "neighbour_kept"),
        (Priority.ROUTINE, 44, "neighbour_free"),
        (Priority.URGENT, 10, "neighbour_kept"),
        (Priority.URGENT, 11, "neighbour_free"),
        (Priority.LIFE_THREATENING, 2, "neighbour_kept"),
        (Priority.LIFE_THREATENING, 3, "neighbour_free"),
    ],
)
def test_c90_a_neighbours_bags_are_told_above_and_below_what_it_keeps(
    dingri: Scenario, priority: Priority, free: int, kind: str
) -> None:
    request = _request(dingri, priority=priority)
    found = [
        lever
        for lever in _levers(dingri, request, _bags(dingri, "lhasa"), free=free)
        if lever.place == "lhasa"
    ]
    (lever,) = found
    assert (lever.kind, lever.groups) == (kind, ("O+",))
    assert lever.units == (1 if kind == "neighbour_free" else 2)
    roads_s = dingri.routes["lhasa", "shigatse"] + dingri.routes["shigatse", "shigatse-people"]
    assert lever.by == request.needed_by - timedelta(seconds=roads_s)


def test_c90_what_a_station_keeps_follows_the_rule_of_the_engine(dingri: Scenario) -> None:
    lhasa = next(station for station in dingri.stations if station.station_id == "lhasa")
    daily = 28.0 * 0.3420 * 0.995
    keep_d = {
        step.waiting: step.keep_d
        for step in sorted(PACKAGED.shortages.bending.steps, key=lambda step: -step.keep_d)
    }
    for priority, days in keep_d.items():
        kept = count_kept(dingri, lhasa, Component.RED_CELLS, O_POS, priority)
        assert kept == round(daily * days)


@pytest.mark.parametrize(
    ("need_h", "kind"), [(12, "neighbour_kept"), (6, "ordered_earlier"), (4, "too_far")]
)
def test_c90_a_bag_that_could_not_come_in_time_is_told_with_its_hour(
    dingri: Scenario, need_h: float, kind: str
) -> None:
    request = _request(dingri, need_h=need_h)
    (lever,) = [
        lever
        for lever in _levers(dingri, request, _bags(dingri, "lhasa"))
        if lever.place == "lhasa"
    ]
    assert lever.kind == kind


def test_c90_a_bag_that_came_to_the_neighbour_too_late_is_no_lever(dingri: Scenario) -> None:
    late = _bags(dingri, "lhasa", since_h=10)
    assert not [lever for lever in _levers(dingri, _request(dingri), late) if lever.place]


def test_c90_only_bags_that_the_kernel_clears_are_told(dingri: Scenario) -> None:
    request = _request(dingri, attributes={"leukoreduced": True})
    plain = _bags(dingri, "lhasa")
    (nowhere,) = _levers(dingri, request, plain)
    assert (nowhere.kind, nowhere.units) == ("nowhere", 3)
    assert nowhere.params == {"causes": "leukoreduced × 3"}
    fitting = _bags(dingri, "lhasa", traits=UnitTraits(leukoreduced=True))
    assert _kinds(_levers(dingri, request, fitting, free=50)) == {"neighbour_free"}


def test_c90_rhd_negative_bags_are_no_lever_for_who_can_have_rhd_positive(
    dingri: Scenario,
) -> None:
    bags = _bags(dingri, "lhasa", group=BloodGroup.O_NEG)
    assert not [lever for lever in _levers(dingri, _request(dingri), bags, free=50) if lever.place]
    dying = _request(dingri, priority=Priority.LIFE_THREATENING)
    assert "neighbour_free" in _kinds(_levers(dingri, dying, bags, free=50))
    negative = _request(dingri, group="O-")
    assert "neighbour_free" in _kinds(_levers(dingri, negative, bags, free=50))


def test_c90_each_way_that_a_decision_told_is_told_once(dingri: Scenario) -> None:
    typing = [
        Reason(code="typing_would_open", params={"groups": "A+", "units": units})
        for units in (3, 8, 5)
    ]
    request = _request(dingri, group=None)
    short = Reason(code="stock_short", params={"units": 2, "groups": "O+"})
    (told,) = [
        lever for lever in _levers(dingri, request, (), *typing, short) if lever.kind == "told"
    ]
    assert (told.code, told.units, told.groups) == ("typing_would_open", 8, ("A+",))
    stage = cast("DrillStage", SimpleNamespace(scenario=dingri))
    assert "8" in describe_lever(stage, told, read_texts()["levers"]).en


def test_c90_donors_are_told_by_when_they_had_to_be_called(dingri: Scenario) -> None:
    request = _request(dingri, need_h=20)
    (donors,) = [lever for lever in _levers(dingri, request) if lever.kind.startswith("donors")]
    road_s = dingri.routes["shigatse", "shigatse-people"] + PACKAGED.donors.ready_after_s
    assert (donors.kind, donors.units) == ("donors", 2)
    assert donors.by == request.needed_by - timedelta(seconds=road_s)
    assert "donors_late" in _kinds(_levers(dingri, _request(dingri, need_h=4)))
    # Nobody knows before a donation whether its blood lacks Jka.
    special = _request(dingri, need_h=20, attributes={"antigen_negative": ["Jka"]})
    assert not {"donors", "donors_late"} & _kinds(_levers(dingri, special))


def test_c90_what_no_stock_serves_is_told_as_that(dingri: Scenario) -> None:
    decision = _decision(
        dingri,
        Reason(code="hospital_cannot_thaw"),
        uncovered=0,
        refused=2,
        outcome=Outcome.REFUSED,
    )
    (found,) = explain_shortfalls(
        dingri,
        _request(dingri),
        [decision],
        bags=_bags(dingri, "lhasa"),
        count_free=lambda *_: 50,
    )
    assert [(lever.kind, lever.code) for lever in found.levers] == [
        ("standing", "hospital_cannot_thaw")
    ]


def test_c90_a_bag_that_was_promised_and_not_fetched_is_told(dingri: Scenario) -> None:
    bag = ReservedUnit(
        promise_id="p-1",
        unit_id="u-1",
        component=Component.RED_CELLS,
        group=O_POS,
        expires_at=dingri.at(240),
        epoch=1,
        volume_ml=400,
        reason=Reason(code="identical_group"),
    )
    first = _decision(dingri, uncovered=0, outcome=Outcome.RESERVED)
    first = first.but(lines=(first.lines[0].but(reserved=(bag,)),))
    lapsed = _decision(dingri, outcome=Outcome.EXPIRED, at_h=9).but(
        lines=(), reasons=(Reason(code="unit_given_back", params={"unit_id": "u-1"}),)
    )
    request = _request(dingri)
    (found,) = explain_shortfalls(
        dingri, request, [first, lapsed], bags=(), count_free=lambda *_: 0
    )
    assert found.lacking == 2
    assert [(lever.kind, lever.code, lever.groups) for lever in found.levers] == [
        ("promise_lost", "unit_given_back", ("O+",))
    ]
    # What was decided again after the loss stands as it was decided.
    again = _decision(dingri, uncovered=0, outcome=Outcome.RESERVED, at_h=10)
    assert (
        explain_shortfalls(
            dingri, request, [first, lapsed, again], bags=(), count_free=lambda *_: 0
        )
        == ()
    )


def test_c90_a_line_that_was_covered_needs_no_lever(dingri: Scenario) -> None:
    whole = _decision(dingri, uncovered=0, outcome=Outcome.RESERVED)
    found = explain_shortfalls(dingri, _request(dingri), [whole], bags=(), count_free=lambda *_: 0)
    assert found == ()


def _stage(dingri: Scenario, *, now_h: float = 23) -> DrillStage:
    board = Board(storyteller=Storyteller(dingri))
    board.sent = 10
    return cast(
        "DrillStage",
        SimpleNamespace(
            scenario=dingri, board=board, clock=SimpleNamespace(now=lambda: dingri.at(now_h))
        ),
    )


def _see(stage: DrillStage, decision: Decision) -> None:
    stage.board.decisions["r-1"] = [decision]
    stage.board.requests["r-1"] = RequestView(
        hospital_id="shigatse-people",
        outcome=decision.outcome,
        waiting_for="",
        decided_at=decision.decided_at,
    )


def _explain(stage: DrillStage, request: UrgentRequest, bags: Sequence[FreeBag] = ()) -> Unserved:
    _see(stage, _decision(stage.scenario))
    return explain(stage, request, bags)


def _failing(stage: DrillStage, *unserved: Unserved) -> set[str]:
    return {figure.name for figure in list_served(stage, unserved) if not figure.holds}


def test_c90_the_checks_fail_for_who_dies_with_nothing(dingri: Scenario) -> None:
    stage = _stage(dingri)
    dying = _explain(stage, _request(dingri, priority=Priority.LIFE_THREATENING))
    assert _failing(stage, dying) == {"share_with_nothing", "dying_with_nothing"}
    stage.board.sent = 100
    assert _failing(stage, _explain(stage, _request(dingri))) == set()


def test_c90_the_checks_fail_beside_what_a_neighbour_had_to_spare(dingri: Scenario) -> None:
    stage = _stage(dingri)
    stage.board.sent = 100
    stage.board.stock.append(
        StockSample(
            at=dingri.at(1),
            station_id="lhasa",
            by_group={},
            by_component={},
            cells={("red_cells", "O+"): 43},
        )
    )
    bags = _bags(dingri, "lhasa")
    beside = _explain(stage, _request(dingri), bags)
    assert _failing(stage, beside) == {"nothing_beside_neighbours"}
    kept = _explain(stage, _request(dingri, priority=Priority.ROUTINE), bags)
    assert _failing(stage, kept) == set()


def test_c90_who_still_waits_when_the_day_ends_has_not_died(dingri: Scenario) -> None:
    stage = _stage(dingri, now_h=6)
    stage.board.sent = 100
    waits = _explain(stage, _request(dingri, priority=Priority.LIFE_THREATENING))
    assert not waits.is_due
    assert _failing(stage, waits) == set()


def test_c90_the_checks_fail_for_a_request_that_nothing_explains(dingri: Scenario) -> None:
    stage = _stage(dingri)
    stage.board.sent = 100
    _see(stage, _decision(dingri, uncovered=0))
    unexplained = explain(stage, _request(dingri), ())
    assert _failing(stage, unexplained) == {"unserved_unexplained"}


def test_c90_the_result_tells_each_lever_in_both_languages(dingri: Scenario) -> None:
    stage = _stage(dingri)
    found = _explain(stage, _request(dingri, priority=Priority.ROUTINE), _bags(dingri, "lhasa"))
    (row,) = to_rows(stage, [found], read_texts()["levers"])
    assert (row["patient"], row["group"], row["has_nothing"]) == ("P0001", "O+", True)
    (line,) = row["lines"]
    assert (line["lacking"], line["component"]) == (2, "red_cells")
    kept = next(lever for lever in line["would_have_served"] if lever["kind"] == "neighbour_kept")
    assert (kept["place"], kept["groups"]) == ("lhasa", ["O+"])
    assert "拉萨" in kept["zh"]
    assert "Lhasa" in kept["en"]


def test_the_free_bags_of_an_exported_shelf_are_read() -> None:
    names = list(HEADINGS)
    cells = [
        {**dict.fromkeys(names, ""), "unit_id": unit_id, "status": STATUS_WORDS[status]}
        for unit_id, status in (("U-1", "available"), ("U-2", "reserved"))
    ]
    rows = [list(HEADINGS.values()), *([row[name] for name in names] for row in cells)]
    exported = "\ufeff" + "".join(",".join(row) + "\r\n" for row in rows)
    assert list_free(exported) == ["U-1"]
