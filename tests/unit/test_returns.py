"""Which units that come back may be put into stock again."""

from __future__ import annotations

import pytest

from models.components import Component
from models.errors import DomainRefusal
from models.rules.rulebook import PACKAGED

LIQUID_RED_CELLS = (Component.RED_CELLS, Component.WASHED_RED_CELLS)


def restock(component: Component, out_of_control_s: int, *, handed_over: bool = False) -> None:
    PACKAGED.returns.ensure_restockable(
        component,
        handed_over=handed_over,
        out_of_control_s=out_of_control_s,
        unit_id="u-1",
        limit=PACKAGED.safety.out_of_control,
    )


@pytest.mark.parametrize("component", LIQUID_RED_CELLS)
def test_half_an_hour_and_no_second_more(component: Component) -> None:
    restock(component, 0)
    restock(component, 1800)
    with pytest.raises(DomainRefusal, match="out_of_control_too_long") as refused:
        restock(component, 1801)

    assert refused.value.params == {
        "unit_id": "u-1",
        "out_of_control_s": 1801,
        "limit_s": 1800,
        "rule": "returns.restock@2026-3",
    }


@pytest.mark.parametrize("component", sorted({*Component} - {*LIQUID_RED_CELLS}))
def test_no_other_component_goes_back(component: Component) -> None:
    with pytest.raises(DomainRefusal, match="return_not_allowed") as refused:
        restock(component, 0)

    assert refused.value.params["rule"] == "returns.others@2026-3"
    assert refused.value.params["component"] is component


@pytest.mark.parametrize("component", Component)
def test_c31_what_a_hospital_received_goes_back_to_no_stock(component: Component) -> None:
    with pytest.raises(DomainRefusal, match="return_handed_over") as refused:
        restock(component, 0, handed_over=True)
    assert refused.value.params == {"unit_id": "u-1", "rule": "returns.handed_over@2026-3"}
