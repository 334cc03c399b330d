"""How much a bag holds: of its ordering unit, in bags, in millilitres."""

from __future__ import annotations

import pytest

from models.components import Component
from models.doses import (
    WHOLE,
    OrderMeasure,
    content_of,
    find_ordering_unit,
    round_down,
    round_up,
    to_units,
)
from models.requests import RequestLine
from models.rules.types.doses import DOSES, OrderingUnitRules


@pytest.mark.parametrize(
    ("component", "ml", "hundredths"),
    [
        ("red_cells", 200, 100),
        ("red_cells", 300, 150),
        ("red_cells", 400, 200),
        ("red_cells", 100, 50),
        ("washed_red_cells", 400, 200),
        ("frozen_red_cells", 200, 100),
        ("whole_blood", 400, 200),
        ("fresh_frozen_plasma", 100, 100),
        ("fresh_frozen_plasma", 230, 230),
        ("frozen_plasma", 50, 50),
        ("platelets", 125, 100),
        ("platelets", 300, 100),
        ("deglycerolised_red_cells", 300, 150),
        ("apheresis_granulocytes", 200, 100),
        ("platelet_concentrate", 200, 100),
        ("platelet_concentrate", 399, 100),
        ("platelet_concentrate", 400, 200),
        ("platelet_concentrate", 30, 100),
        ("pooled_platelets", 250, 1000),
        ("pooled_platelets", 120, 500),
        ("cryoprecipitate", 20, 100),
        ("cryoprecipitate", 25, 100),
        ("cryoprecipitate", 30, 100),
        ("cryoprecipitate", 44, 100),
        ("cryoprecipitate", 45, 200),
        ("cryoprecipitate", 125, 500),
        ("cryoprecipitate", 10, 100),
    ],
)
def test_f07_a_bag_holds_so_much_of_its_unit(component: str, ml: int, hundredths: int) -> None:
    assert content_of(Component(component), ml) == hundredths


@pytest.mark.parametrize("component", Component)
def test_a_bag_is_a_bag_and_a_millilitre_a_millilitre(component: Component) -> None:
    assert content_of(component, 130, OrderMeasure.BAG) == 100
    assert content_of(component, 130, OrderMeasure.ML) == 13_000
    assert content_of(component, 1) >= 1


def test_what_is_missing_is_rounded_up_and_what_is_there_down() -> None:
    assert [round_up(hundredths) for hundredths in (-50, 0, 1, 100, 101)] == [0, 0, 1, 1, 2]
    assert [round_down(hundredths) for hundredths in (0, 99, 100, 250)] == [0, 0, 1, 2]


@pytest.mark.parametrize(
    ("component", "ml", "units"),
    [
        ("platelets", 1000, 4),  # a bag of 250 ml is a dose
        ("platelets", 30, 1),
        ("platelets", 251, 2),
        ("apheresis_granulocytes", 500, 2),
        ("red_cells", 200, 1),
        ("red_cells", 201, 2),
        ("fresh_frozen_plasma", 330, 4),
        ("cryoprecipitate", 26, 2),
        ("cryoprecipitate", 65, 3),
        ("platelet_concentrate", 390, 2),
        ("pooled_platelets", 260, 11),
    ],
)
def test_millilitres_that_are_missing_are_rounded_up_to_units(
    component: str, ml: int, units: int
) -> None:
    """No part of what is missing is left out of a shortage, or of the donors that it calls."""
    told = {"line_no": 1, "component": component, "measure": "ml", "quantity": ml}
    line = RequestLine.model_validate(told)
    assert (line.to_units(ml), line.bags_expected) == (units, units)
    missing = to_units(Component(component), ml * WHOLE, OrderMeasure.ML)
    assert round_up(missing) == units


def test_an_ordering_unit_without_millilitres_does_not_load() -> None:
    told = DOSES.model_dump()
    told["of"]["apheresis"]["asked_ml"] = None
    with pytest.raises(ValueError, match="asked_ml"):
        OrderingUnitRules.model_validate(told)


def test_only_what_comes_by_apheresis_is_ordered_in_doses() -> None:
    doses = {component for component in Component if find_ordering_unit(component).unit == "dose"}
    assert doses == {Component.PLATELETS, Component.APHERESIS_GRANULOCYTES}


def test_a_component_without_an_ordering_unit_does_not_load() -> None:
    told = DOSES.model_dump()
    del told["of"]["plasma"]
    with pytest.raises(ValueError, match="each in one rule"):
        OrderingUnitRules.model_validate(told)


def test_the_least_and_the_names() -> None:
    """A bag with next to nothing in it counts for something; nothing is missing below zero."""
    assert content_of(Component.RED_CELLS, 1) == 1
    assert (round_up(-250), round_up(0), round_up(1)) == (0, 0, 1)
    assert [measure.value for measure in OrderMeasure] == ["unit", "bag", "ml"]
