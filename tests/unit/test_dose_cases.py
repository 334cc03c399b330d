"""What is asked is a dose, what lies on the shelf is a bag. Cases by their number."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import ValidationError

from models.clearance import UnitFacts
from models.components import Component
from models.decisions import Decision, LineDecision, Outcome
from models.doses import OrderMeasure
from models.events.stock import StockChange
from models.requests import Amendment, Priority, RequestLine
from models.rules.types.packs import PACKS
from models.units import UnitTraits
from tests.support.town_story import Story
from tests.support.world import NOW, build_request
from tests.unit.test_choice_cases import CELLS, CRYO, DYING, PLATELETS, bag, decide

FFP = Component.FRESH_FROZEN_PLASMA
URGENT = Priority.URGENT
_NAMES = itertools.count(1)


def bags(
    *ml: int, group: str = "A+", component: Component = CELLS, **traits: object
) -> list[UnitFacts]:
    """Bags of these volumes, the first expiring first."""
    having = UnitTraits.model_validate(traits)
    return [
        replace(bag(group, component, left_d=5 + at / 10), volume_ml=volume, traits=having)
        for at, volume in enumerate(ml)
    ]


def serve(
    units: Sequence[UnitFacts],
    quantity: int,
    *,
    component: Component = CELLS,
    measure: OrderMeasure = OrderMeasure.UNIT,
    group: str = "A+",
    priority: Priority = URGENT,
) -> LineDecision:
    line = RequestLine(line_no=1, component=component, measure=measure, quantity=quantity)
    request = build_request(group=group, lines=(line,), priority=priority)
    (decision,) = decide([request], units)
    (found,) = decision.lines
    return found


def volumes(line: LineDecision) -> list[int | None]:
    return [unit.volume_ml for unit in line.reserved]


@pytest.mark.parametrize(
    ("shelf", "asked", "reserved", "covered", "uncovered"),
    [
        ((300,) * 4, 4, [300, 300, 300], 450, 0),  # F07 a: 4 U, not 6
        ((400,) * 4, 4, [400, 400], 400, 0),  # F07 b: 4 U, not 8
        ((100, 400), 2, [400], 200, 0),  # F07 c: no paediatric bag for an adult's unit
        ((100,), 2, [100], 50, 2),  # what is missing is told in whole units
        ((300,), 2, [300], 150, 1),
        ((400, 200), 1, [200], 100, 0),  # the bag that fits
        ((400, 400), 1, [400], 200, 0),  # else the last bag holds more
        ((400, 200, 200), 3, [400, 200], 300, 0),
        ((200,) * 3, 2, [200, 200], 200, 0),  # bags of one unit: as ever
    ],
)
def test_f07_red_cells_are_promised_in_units(
    shelf: tuple[int, ...], asked: int, reserved: list[int], covered: int, uncovered: int
) -> None:
    line = serve(bags(*shelf), asked)
    assert volumes(line) == reserved
    assert (line.covered_hundredths, line.uncovered) == (covered, uncovered)
    assert (line.measure, line.requested) == (OrderMeasure.UNIT, asked)


def test_f07_plasma_in_units_in_millilitres_and_in_bags() -> None:
    shelf = bags(230, 230, 100, component=FFP)
    assert volumes(serve(shelf, 4, component=FFP)) == [230, 230]
    in_ml = serve(shelf, 330, component=FFP, measure=OrderMeasure.ML)
    assert (volumes(in_ml), in_ml.covered_hundredths) == ([230, 100], 33_000)
    assert serve(shelf, 600, component=FFP, measure=OrderMeasure.ML).uncovered == 40
    assert len(serve(shelf, 3, component=FFP, measure=OrderMeasure.BAG).reserved) == 3


def test_c26_a_pack_is_a_ratio_of_doses() -> None:
    """4 U of red cells and 400 ml of plasma, whatever the bags."""
    assert PACKS.pack_4_4_1.units == {CELLS: 4, FFP: 4, PLATELETS: 1}
    cells, plasma = (
        serve(bags(400, 400), 4),
        serve(bags(*[200] * 4, component=FFP), 4, component=FFP),
    )
    assert (len(cells.reserved), len(plasma.reserved)) == (2, 2)


def test_c24_the_cryoprecipitate_of_a_pack_is_an_adult_dose() -> None:
    asked = PACKS.pack_6_6_1.units[CRYO]
    assert asked == 10
    one = serve(bags(25, component=CRYO), asked, component=CRYO)
    assert (one.reserved, one.uncovered) == ((), 10)
    assert serve(bags(*[25] * 10, component=CRYO), asked, component=CRYO).uncovered == 0
    assert volumes(serve(bags(125, 125, component=CRYO), asked, component=CRYO)) == [125, 125]


def test_c79_the_least_of_use_counts_units_not_bags() -> None:
    """Five bags are 5 U, below 6; two pools of three bags are 6 U."""
    few = serve(bags(*[25] * 5, component=CRYO), 10, component=CRYO)
    assert (few.reserved, few.uncovered) == ((), 10)
    pools = serve(bags(75, 75, component=CRYO), 10, component=CRYO)
    assert (len(pools.reserved), pools.uncovered) == (2, 4)
    in_ml = serve(bags(75, 75, component=CRYO), 250, component=CRYO, measure=OrderMeasure.ML)
    assert (len(in_ml.reserved), in_ml.uncovered) == (2, 100)


@pytest.mark.parametrize(
    ("shelf", "measure", "asked", "reserved"),
    [
        ((23,) * 6, OrderMeasure.ML, 250, 6),  # 138 ml, and yet 6 U
        ((23,) * 5, OrderMeasure.ML, 250, 0),
        ((25,) * 2, OrderMeasure.ML, 50, 2),  # all that was asked for a child
        ((150,), OrderMeasure.BAG, 2, 1),  # a pool of six is the dose of an adult
        ((125,), OrderMeasure.BAG, 2, 0),
        ((25,), OrderMeasure.BAG, 1, 1),
        ((125, 125), OrderMeasure.BAG, 3, 2),
    ],
)
def test_c79_what_helps_is_a_dose_or_its_share_of_what_was_asked(
    shelf: tuple[int, ...], measure: OrderMeasure, asked: int, reserved: int
) -> None:
    line = serve(bags(*shelf, component=CRYO), asked, component=CRYO, measure=measure)
    assert len(line.reserved) == reserved
    dropped = [reason.params for reason in line.refusals if reason.code == "part_of_no_use"]
    assert len(dropped) == (not reserved)
    assert all(told["missing"] == 1 and told["least"] == 6 for told in dropped)


def test_the_bag_that_fits_never_costs_a_rare_one() -> None:
    plain, rare = bags(400), bags(200, antigen_negative=("E",))
    assert volumes(serve([*plain, *rare], 1)) == [400]


def test_the_bag_that_fits_never_costs_another_group() -> None:
    line = serve([*bags(400), *bags(200, group="O+")], 1, priority=DYING)
    assert [unit.group for unit in line.reserved] == ["A+"]


def test_an_exchange_takes_nothing_from_who_had_enough() -> None:
    """A holder gives a bag away only for one that covers no less."""
    first, second = (
        build_request(
            request_id=f"x{next(_NAMES)}",
            group=group,
            lines=(RequestLine(line_no=1, component=CELLS, quantity=2),),
            needed_in_h=hours,
        )
        for group, hours in (("AB+", 3), ("A+", 4))
    )
    shelf = [*bags(400, group="A+"), *bags(200, group="AB+")]
    given = decide([first, second], shelf)
    assert [list_first_volumes(decision) for decision in given] in (
        [[400], []],
        [[200], [400]],
    )
    # With enough of its own group, both are whole.
    both = decide([first, second], [*bags(400, group="A+"), *bags(400, group="B+")])
    assert [decision.outcome for decision in both] == [Outcome.RESERVED, Outcome.RESERVED]


@pytest.mark.parametrize(("wanted", "given"), [(2, [200, 200]), (1, [200])])
def test_what_an_exchange_sets_free_is_given_to_who_still_lacks(
    wanted: int, given: list[int]
) -> None:
    """AB+ gives one bag of 1 U for one of 2 U, and no longer needs the other."""
    first, second = (
        build_request(
            request_id=f"x{next(_NAMES)}",
            group=group,
            lines=(RequestLine(line_no=1, component=CELLS, quantity=quantity),),
            needed_in_h=hours,
        )
        for group, quantity, hours in (("AB+", 2, 3), ("A+", wanted, 4))
    )
    both = decide([first, second], [*bags(200, 200, group="A+"), *bags(400, group="B+")])
    assert [list_first_volumes(decision) for decision in both] == [[400], given]
    assert [decision.outcome for decision in both] == [Outcome.RESERVED, Outcome.RESERVED]


def list_first_volumes(decision: Decision) -> list[int | None]:
    return volumes(decision.lines[0])


async def test_f07_a_request_is_whole_once_its_units_are_there() -> None:
    story = Story()
    await story.count("A+", "A+", volume_ml=400)
    await story.ask("q", 3, URGENT, group="A+")
    assert (len(story.held("q")), story.status("q")) == (2, "reserved")
    for unit_id in story.held("q"):
        await story.scan(unit_id, StockChange.PICKED)
        await story.scan(unit_id, StockChange.ISSUED)
    for unit_id in ("U1", "U2"):
        await story.scan(unit_id, StockChange.RECEIVED)
    assert story.status("q") == "fulfilled"


async def test_f07_new_blood_covers_what_is_still_missing() -> None:
    story = Story()
    await story.count("A+", volume_ml=300)
    await story.ask("q", 3, URGENT, group="A+")
    assert story.decisions("q")[-1].lines[0].uncovered == 2
    await story.count("A+", volume_ml=400)
    await story.go(0.1)
    line = story.decisions("q")[-1].lines[0]
    assert (line.covered_hundredths, line.uncovered, story.status("q")) == (350, 0, "reserved")


async def test_f07_another_measure_counts_the_same_bags_anew() -> None:
    story = Story()
    await story.count("A+", "A+", volume_ml=400)
    await story.ask("q", 2, URGENT, group="A+")
    assert len(story.held("q")) == 1
    line = {"line_no": 1, "component": "red_cells", "measure": "bag", "quantity": 2}
    await story.amend("q", lines=[line])
    assert len(story.held("q")) == 2


@pytest.mark.parametrize("fits", [200, 400])
async def test_f07_the_bag_that_fits_is_found_behind_many_that_expire_sooner(fits: int) -> None:
    """A shelf is read as far as usually suffices; a bag of 2 U for 1 U is a reason to look on."""
    story = Story()
    for _ in range(12):
        await story.count("A+", volume_ml=400, left_h=300)
    await story.count("A+", volume_ml=fits, left_h=310)
    await story.ask("q", 1, URGENT, group="A+")
    (line,) = story.decisions("q")[-1].lines
    assert volumes(line) == [fits]
    assert line.covered_hundredths == fits // 2


async def test_f65_a_pack_is_added_to_a_running_request() -> None:
    story = Story()
    await story.count(*["A+"] * 6)
    await story.ask("q", 2, DYING, group="A+")
    await story.amend("q", massive_transfusion_packs=1)
    request = story.system.engine.state.requests["q"].request
    assert [(line.line_no, line.component, line.quantity) for line in request.lines] == [
        (1, CELLS, 2),
        (2, FFP, 4),
        (3, PLATELETS, 1),
        (4, CELLS, 4),
    ]
    assert request.massive_transfusion_packs == 1
    assert len(story.held("q")) == 6
    await story.amend("q", massive_transfusion_packs=20)
    assert story.system.engine.refused[-1].code == "packs_too_many"


def test_f65_no_pack_is_no_amendment() -> None:
    with pytest.raises(ValueError, match="massive_transfusion_packs"):
        Amendment(request_id="q", hospital_id="h", station_id="s", massive_transfusion_packs=0)


@pytest.mark.parametrize(
    ("shelf", "given"),
    [
        ((400,) * 3, [400]),  # 4 U stay, in two bags
        ((400,) * 2, []),
        ((100,) * 8, []),  # eight bags are 4 U
        ((100,) * 10, [100, 100]),
        ((200,) * 5, [200]),
        ((200,) * 4, []),
    ],
)
def test_the_last_o_that_stays_is_counted_in_units(
    shelf: tuple[int, ...], given: list[int]
) -> None:
    """Four units of O RhD+ stay for those who cannot wait, the red cells of a pack."""
    line = RequestLine(line_no=1, component=CELLS, quantity=2)
    request = build_request(group="A+", lines=(line,), needed_in_h=48)
    units = [
        replace(unit, expires_at=NOW + timedelta(days=30)) for unit in bags(*shelf, group="O+")
    ]
    (decision,) = decide([request], units)
    assert volumes(decision.lines[0]) == given


def test_a_part_of_no_use_tells_units() -> None:
    line = RequestLine(line_no=1, component=CRYO, quantity=10)
    (decision,) = decide(
        [build_request(group="A+", lines=(line,))], bags(25, 25, 75, component=CRYO)
    )
    (told,) = (
        reason.params for reason in decision.lines[0].refusals if reason.code == "part_of_no_use"
    )
    assert told == {"there": 5, "least": 6, "missing": 1}


def test_c25_a_concentrate_is_a_tenth_of_a_dose() -> None:
    """A dose by apheresis is asked as one dose, concentrates by their units."""
    concentrate = Component.PLATELET_CONCENTRATE
    one = serve(bags(200, component=concentrate), 10, component=concentrate)
    assert (one.covered_hundredths, one.uncovered) == (100, 9)
    assert serve(bags(*[200] * 10, component=concentrate), 10, component=concentrate).uncovered == 0
    assert serve(bags(200, component=concentrate), 1, component=PLATELETS).uncovered == 1
    (fresh,) = bags(250, component=Component.POOLED_PLATELETS)
    pool = replace(fresh, collected_at=NOW - timedelta(hours=2))
    assert serve([pool], 10, component=Component.POOLED_PLATELETS).uncovered == 0


@pytest.mark.parametrize(
    ("component", "kg", "units"),
    [
        (CRYO, 60, 9),  # 1.5 U per 10 kg
        (CRYO, 3, 1),
        (CRYO, 61, 10),
        (FFP, 60, 9),  # 900 ml
        (Component.PLATELET_CONCENTRATE, 60, 12),
        (Component.POOLED_PLATELETS, 20, 4),
        (PLATELETS, 60, 1),
        (PLATELETS, 100, 1),
    ],
)
def test_f07_a_line_for_a_patient_of_so_many_kilograms(
    component: Component, kg: int, units: int
) -> None:
    told = {"line_no": 1, "component": component.value, "for_weight_kg": kg}
    line = RequestLine.model_validate(told)
    assert (line.measure, line.quantity) == (OrderMeasure.UNIT, units)
    # What is kept is read again as it was decided, whatever the rules say by then.
    kept = {**line.model_dump(mode="json"), "quantity": units + 1}
    assert RequestLine.model_validate(kept).quantity == units + 1


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ({"component": "red_cells", "for_weight_kg": 60}, "weight_says_nothing"),
        ({"component": "cryoprecipitate", "for_weight_kg": 60, "measure": "ml"}, "weight_with"),
        ({"component": "cryoprecipitate", "for_weight_kg": 0}, "broken_field_for_weight_kg"),
        ({"component": "cryoprecipitate", "for_weight_kg": "60"}, "broken_field_for_weight_kg"),
        ({"component": "cryoprecipitate", "for_weight_kg": 3.5}, "broken_field_for_weight_kg"),
        ({"component": "no_such", "for_weight_kg": 60}, "component"),
        ({"component": "cryoprecipitate"}, "quantity"),
    ],
)
def test_f07_a_weight_that_says_no_dose_is_refused(told: dict[str, object], code: str) -> None:
    with pytest.raises(ValidationError, match=code):
        RequestLine.model_validate({"line_no": 1, **told})
