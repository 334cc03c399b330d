"""The checker's own reading of how long blood is in use, and what counts until its end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from checker.compatibility import Patient
from checker.database_rows import Unit
from checker.shelf_lives import find_duration
from checker.unit_attributes import list_lacking

NOON = datetime(2025, 1, 7, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("component", "hours"),
    [("red_cells", 4), ("whole_blood", 4), ("platelets", 1), ("cryoprecipitate", 1)],
)
def test_how_long_a_component_runs_into_the_patient(component: str, hours: int) -> None:
    assert find_duration(component) == hours * HOUR


@pytest.mark.parametrize(("since", "faults"), [(24 * HOUR, []), (24.01 * HOUR, ["too_long_ago"])])
def test_c06_hours_since_irradiation_count_until_the_end_of_use(
    since: timedelta, faults: list[str]
) -> None:
    done_at = NOON + 4 * HOUR
    unit = Unit(
        unit_id="U",
        donation_id="D",
        component="red_cells",
        blood_group="O+",
        collected_at=NOON - 48 * HOUR,
        expires_at=NOON + 240 * HOUR,
        released_at=NOON,
        attested_by=None,
        status="available",
        parent_id=None,
        volume_ml=200,
        traits={"irradiated": True, "irradiated_at": (done_at - since).isoformat()},
    )
    patient = Patient.from_json({"group": "O+", "indications": ["exchange"], "age_years": 1})
    lacking = list_lacking(unit=unit, wanted={}, patient=patient, used_at=NOON, done_at=done_at)
    told = [name.removeprefix("irradiated_") for name in lacking if "irradiated_" in name]
    assert told == faults
