"""Whatever a station holds, its export reads back as the same units."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from gateway.files.exports import RELEASED_BY_RESULTS, write_csv, write_xlsx
from gateway.files.sheets import decode_file, open_csv, open_workbook
from gateway.files.stock_imports import ReleaseTerms, parse_units
from models.base import BagId
from models.components import Component
from models.events.stock import Attestation
from models.groups import BloodGroup
from models.texts.instants import BEIJING
from models.unit_states import EXPIRING_STATES
from models.units import Unit, UnitTraits

NOW = datetime(2025, 1, 7, 1, 30, tzinfo=UTC)
_BAG_ID = TypeAdapter(BagId)


def is_bag_id(text: str) -> bool:
    try:
        _BAG_ID.validate_python(text)
    except ValidationError:
        return False
    return True


NAMES = st.from_regex(r"[A-Za-z1-9][A-Za-z0-9._:-]{0,30}", fullmatch=True).filter(is_bag_id)
TIMES = (NOW.replace(tzinfo=None) - timedelta(days=1), NOW.replace(tzinfo=None))
FLAGS = ("leukoreduced", "irradiated", "cmv_negative", "washed", "low_titre")


@st.composite
def units(draw: st.DrawFn) -> tuple[Unit, str, str | None]:
    component = draw(st.sampled_from(list(Component)))
    collected_at = NOW - draw(st.timedeltas(timedelta(days=1), timedelta(days=300)))
    longest = timedelta(hours=component.spec.shelf_life_h)
    traits: dict[str, Any] = {name: draw(st.booleans()) for name in FLAGS}
    traits["antigen_negative"] = draw(st.lists(st.sampled_from(["E", "c", "Mur", "Dia"])))
    traits["anticoagulant"] = draw(st.sampled_from([None, "cpda_1"]))
    traits["bag"] = draw(st.sampled_from([None, "permeable"]))
    traits["agitated"] = draw(st.sampled_from([None, True]))
    for name in ("irradiated_at", "washed_at", "thawed_at"):
        traits[name] = draw(st.none() | st.datetimes(*TIMES, timezones=st.just(UTC)))
    if component is Component.DEGLYCEROLISED_RED_CELLS:
        traits["deglycerolised_at"] = draw(st.datetimes(*TIMES, timezones=st.just(UTC)))
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
    attested_by = draw(st.none() | st.sampled_from(["质管科", 'x, y;"z"']))
    return unit, draw(st.sampled_from(sorted(EXPIRING_STATES))), attested_by


def to_row(unit: Unit, status: str, attested_by: str | None) -> dict[str, Any]:
    """A row as the table of units holds it."""
    return {
        **unit.model_dump(exclude={"traits", "group", "station_id"}),
        "blood_group": unit.group.value,
        "traits": unit.traits.model_dump(mode="json", exclude_defaults=True),
        "status": status,
        "released_at": None if status in {"collected", "quarantined"} else unit.collected_at,
        "attested_by": attested_by,
    }


@settings(max_examples=60, deadline=None)
@given(held=st.lists(units(), min_size=1, max_size=6, unique_by=lambda one: one[0].unit_id))
def test_an_export_imports_as_it_is(held: list[tuple[Unit, str, str | None]]) -> None:
    rows = [to_row(*entry) for entry in held]
    for sheets in (
        open_csv(decode_file(write_csv(rows))),
        open_workbook(write_xlsx(rows)),
    ):
        parsed = parse_units(
            sheets, station_id="nagqu", zone=BEIJING, releasing=ReleaseTerms(now=NOW)
        )
        assert parsed.errors == ()
        assert [counted.unit for counted in parsed.values] == [unit for unit, _, _ in held]
        assert [counted.is_released for counted in parsed.values] == [
            status in {"available", "on_hold", "reserved", "picked"} for _, status, _ in held
        ]
        assert [counted.counted_as for counted in parsed.values] == [
            status if status in {"collected", "returned"} else "on_shelf" for _, status, _ in held
        ]
        for counted, (unit, _, attested_by) in zip(parsed.values, held, strict=True):
            if counted.is_released:
                assert counted.attestation == Attestation(
                    released_by=attested_by or RELEASED_BY_RESULTS, released_at=unit.collected_at
                )
