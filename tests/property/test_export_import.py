"""Whatever a station holds, its export reads back as the same units."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from models.cells import BEIJING
from models.components import Component
from models.exports import write_csv, write_xlsx
from models.groups import BloodGroup
from models.imports import parse_units
from models.sheets import decode_file, open_csv, open_workbook
from models.units import Unit, UnitTraits

NOW = datetime(2025, 1, 7, 1, 30, tzinfo=UTC)
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,30}", fullmatch=True)
FLAGS = ("leukoreduced", "irradiated", "cmv_negative", "washed", "low_titre")


@st.composite
def units(draw: st.DrawFn) -> tuple[Unit, str]:
    component = draw(st.sampled_from(list(Component)))
    collected_at = NOW - draw(st.timedeltas(timedelta(), timedelta(days=300)))
    longest = timedelta(hours=component.spec.shelf_life_h)
    traits: dict[str, Any] = {name: draw(st.booleans()) for name in FLAGS}
    traits["antigen_negative"] = draw(st.lists(st.sampled_from(["E", "c", "Mur", "Dia"])))
    unit = Unit(
        unit_id=draw(NAMES),
        donation_id=draw(NAMES),
        station_id="nagqu",
        component=component,
        group=draw(st.sampled_from(list(BloodGroup))),
        volume_ml=draw(st.integers(11, 1000)),
        collected_at=collected_at,
        expires_at=collected_at + draw(st.timedeltas(timedelta(seconds=1), longest)),
        traits=UnitTraits.model_validate(traits),
    )
    return unit, draw(st.sampled_from(["available", "reserved", "quarantined"]))


def to_row(unit: Unit, status: str) -> dict[str, Any]:
    """A row as the table of units holds it."""
    return {
        **unit.model_dump(exclude={"traits", "group", "station_id"}),
        "blood_group": unit.group.value,
        "traits": unit.traits.model_dump(mode="json", exclude_defaults=True),
        "status": status,
    }


@settings(max_examples=60, deadline=None)
@given(held=st.lists(units(), min_size=1, max_size=6, unique_by=lambda one: one[0].unit_id))
def test_an_export_imports_as_it_is(held: list[tuple[Unit, str]]) -> None:
    rows = [to_row(unit, status) for unit, status in held]
    for sheets in (
        open_csv(decode_file(write_csv(rows))),
        open_workbook(write_xlsx(rows)),
    ):
        parsed = parse_units(sheets, station_id="nagqu", zone=BEIJING)
        assert parsed.errors == ()
        assert [counted.unit for counted in parsed.values] == [unit for unit, _ in held]
        assert [counted.released for counted in parsed.values] == [
            status != "quarantined" for _, status in held
        ]
