"""Amendments of what is asked: another quantity says what it counts, and what is not known yet."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from models.components import Component
from models.doses import OrderMeasure
from models.errors import ContractError
from models.requests import RequestLine, UrgentRequest
from tests.support.town_story import Story
from tests.support.world import build_request
from tests.unit.test_amendments import amend

FFP = Component.FRESH_FROZEN_PLASMA


def plasma(**told: object) -> UrgentRequest:
    line = RequestLine.model_validate({"line_no": 1, "component": FFP, **told})
    return build_request(lines=(line,))


def asked(request: UrgentRequest, **told: object) -> tuple[OrderMeasure, int, int | None]:
    stated = [{"line_no": 1, "component": FFP.value, **told}]
    (line,) = amend(request, lines=stated).lines
    return line.measure, line.quantity, line.for_weight_kg


@pytest.mark.parametrize("component", [["red_cells"], {"a": 1}, 5, None, "", True])
def test_a_line_by_weight_of_what_is_no_component_is_refused(component: object) -> None:
    with pytest.raises(ValidationError, match="component"):
        RequestLine.model_validate({"line_no": 1, "component": component, "for_weight_kg": 60})


@pytest.mark.parametrize("known", [{"measure": "ml", "quantity": 400}, {"measure": "bag"}, {}])
def test_a_dose_by_weight_is_no_millilitres(known: dict[str, object]) -> None:
    """9 U of plasma for 60 kg are not 9 ml, whatever the line counted before."""
    request = plasma(**{"quantity": 2, **known})
    assert asked(request, for_weight_kg=60) == (OrderMeasure.UNIT, 9, 60)


@pytest.mark.parametrize("measure", ["ml", "bag"])
def test_another_quantity_says_what_it_counts(measure: str) -> None:
    """4 U are not 4 ml because the line counted millilitres before."""
    request = plasma(measure=measure, quantity=80)
    with pytest.raises(ContractError) as refused:
        asked(request, quantity=4)
    assert refused.value.code == "measure_not_stated"
    assert asked(request, quantity=80) == (OrderMeasure(measure), 80, None)
    assert asked(request, quantity=4, measure="unit") == (OrderMeasure.UNIT, 4, None)


def test_another_quantity_of_units_needs_no_measure() -> None:
    assert asked(plasma(quantity=2), quantity=4) == (OrderMeasure.UNIT, 4, None)


def test_a_quantity_of_its_own_is_no_longer_by_weight() -> None:
    request = plasma(for_weight_kg=60)
    assert asked(request, quantity=9) == (OrderMeasure.UNIT, 9, 60)
    assert asked(request, quantity=4) == (OrderMeasure.UNIT, 4, None)
    assert asked(request, quantity=12, for_weight_kg=80) == (OrderMeasure.UNIT, 12, 80)


async def test_an_amendment_that_contradicts_the_request_is_refused() -> None:
    """A patient of three days is not forty years old; the engine goes on."""
    story = Story()
    await story.count("A+")
    await story.ask("q", group="A+", age_days=3)
    await story.amend("q", patient={"age_years": 40})
    (refused,) = story.system.engine.refused
    assert (refused.code, refused.params["field"]) == ("body_invalid", "age_days")
    assert story.request("q").patient.age_days == 3
    await story.amend("q", patient={"age_years": 40, "age_days": None})
    assert story.request("q").patient.age_years == 40


async def test_a_quantity_without_its_measure_changes_nothing() -> None:
    story = Story()
    await story.count(*["A+"] * 4, component=FFP)
    await story.ask("q", 2, group="A+", component=FFP)
    line = {"line_no": 1, "component": FFP.value}
    await story.amend("q", lines=[{**line, "measure": "ml", "quantity": 90}])
    await story.amend("q", lines=[{**line, "quantity": 4}])
    assert [error.code for error in story.system.engine.refused] == ["measure_not_stated"]
    assert story.request("q").lines[0].quantity == 90
