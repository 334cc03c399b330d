"""What the safety triggers judge by is what the documents beside it say."""

from __future__ import annotations

from collections import defaultdict

import pytest

from deploy.local.embedded_services import Endpoints
from models.emergency_release import EmergencyRelease
from models.events.requests import RequestAmended
from models.groups import BloodGroup
from models.patients import Patient
from models.requests import Amendment, Priority
from models.units import UnitTraits
from tests.support.audit_story import hospital_says, live_a_day
from tests.support.kernel_tables import CONSENT
from tests.support.supply_engine import build_supply_engine
from tests.support.world import build_request, build_unit, counted, opened

pytestmark = pytest.mark.integration

_BOTH = """
SELECT 'request', ARRAY[
    patient_group, patient_plasma_group, patient_platelet_group, patient_whole_blood_group,
    patient_has_anti_d::text, patient_is_asian_del::text,
    patient_has_consented::text, patient_antibodies_passed::text
] AS by_columns, ARRAY[
    coalesce(body #>> '{patient,group}', 'unknown'),
    coalesce(body #>> '{patient,group}', 'unknown'),
    coalesce(body #>> '{patient,group}', 'unknown'),
    coalesce(body #>> '{patient,group}', 'unknown'),
    coalesce(body #> '{patient,antibodies}' ? 'D', false)::text,
    coalesce(body #>> '{patient,asian_del}', 'false'),
    (body #> '{patient,rhd_consent}' IS NOT NULL)::text,
    (
        priority = 'life_threatening'
        AND coalesce(body #> '{emergency_release,passes}' ? 'antibodies', false)
    )::text
] AS by_documents
FROM requests
UNION ALL
SELECT 'decision', ARRAY[eta_s::text], ARRAY[body ->> 'eta_s'] FROM decisions
UNION ALL
SELECT 'promise', ARRAY[rule], ARRAY[split_part(reason ->> 'rule', '@', 1)] FROM promises
UNION ALL
SELECT 'transfer', ARRAY[eta_s::text], ARRAY[body ->> 'eta_s'] FROM transfers
UNION ALL
SELECT 'shortage', donor_groups::text[],
    ARRAY(SELECT jsonb_array_elements_text(body -> 'donor_groups'))
FROM shortages
UNION ALL
SELECT 'unit', ARRAY[low_titre::text], ARRAY[coalesce(traits ->> 'low_titre', 'false')]
FROM units
"""


async def test_what_is_written_says_the_same_in_columns_and_documents(
    endpoints: Endpoints,
) -> None:
    known = Patient(group=BloodGroup.A_NEG, antibodies=("D",), asian_del=True, rhd_consent=CONSENT)
    request = build_request(request_id="r-known", group=None)
    amendment = Amendment(
        request_id=request.request_id,
        hospital_id=request.hospital_id,
        station_id=request.station_id,
        patient=known,
    )
    released = build_request(
        request_id="r-released",
        patient=Patient(group=BloodGroup.B_NEG, antibodies=("D",)),
        priority=Priority.LIFE_THREATENING,
    ).but(emergency_release=EmergencyRelease(clinician="Dr Tashi", reason="exsanguinating"))
    async with build_supply_engine(endpoints.postgres_dsn) as engine:
        await live_a_day(engine)
        await engine.feed(counted([build_unit("O-", traits=UnitTraits(low_titre=True))]))
        await engine.feed(opened(request))
        await engine.feed(hospital_says(RequestAmended(amendment=amendment)))
        await engine.feed(opened(released))
        rows = await engine.fetch(_BOTH)

    told: dict[str, set[tuple[str | None, ...]]] = defaultdict(set)
    for table, by_columns, by_documents in rows:
        assert by_columns == by_documents, table
        told[table].add(tuple(by_columns))
    assert told["request"] == {
        (*["A+"] * 4, "false", "false", "false", "false"),
        (*["B+"] * 4, "false", "false", "false", "false"),
        (*["A-"] * 4, "true", "true", "true", "false"),
        (*["B-"] * 4, "true", "false", "false", "true"),
    }
    assert told["unit"] == {("false",), ("true",)}
    assert all(told[table] for table in ("decision", "promise", "transfer", "shortage"))
