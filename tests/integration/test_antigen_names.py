"""Rows that are older than the vocabulary: names are brought to one form, and none is lost."""

from __future__ import annotations

import asyncpg
import pytest

from deploy.local.embedded_services import Endpoints
from models.patients import Patient
from models.requests import HardAttributes, RequestLine
from models.units import UnitTraits
from tests.support.engine import Engine, build_engine
from tests.support.seeding import MIGRATIONS
from tests.support.world import build_request, build_unit, counted, opened

pytestmark = pytest.mark.integration

MIGRATION = MIGRATIONS / "20261216104100_names_of_antigens.sql"


async def spell_as_before(engine: Engine, *, antibodies: list[str], tested: list[str]) -> None:
    await engine.fetch(
        """
        UPDATE requests SET patient_has_anti_d = false, body = jsonb_set(jsonb_set(
            body, '{patient,antibodies}', to_jsonb($1::text[])),
            '{lines,0,attributes,antigen_negative}', to_jsonb($1::text[]))
        """,
        antibodies,
    )
    await engine.fetch(
        "UPDATE units SET traits = jsonb_set(traits, '{antigen_negative}', to_jsonb($1::text[]))",
        tested,
    )


async def migrate_again(dsn: str) -> None:
    text = MIGRATION.read_text(encoding="utf-8")
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            await connection.execute(text.split("-- migrate:down", maxsplit=1)[0])
    finally:
        await connection.close()


@pytest.mark.parametrize("migrated", [True, False])
async def test_c45_what_was_written_before_the_vocabulary_is_anti_d(
    endpoints: Endpoints, *, migrated: bool
) -> None:
    """A row that no migration has seen is read alike."""
    asked = build_request(
        lines=(
            RequestLine(
                line_no=1,
                component="red_cells",
                quantity=1,
                attributes=HardAttributes(antigen_negative=("E",)),
            ),
        ),
        patient=Patient(group="O-", antibodies=("E",)),
    )
    async with build_engine(endpoints.postgres_dsn) as engine:
        await engine.feed(opened(asked))
        (dsn,) = await engine.fetch("SELECT current_database() AS name")
        await engine.feed(
            counted([build_unit("O+", traits=UnitTraits(antigen_negative=("E", "K")))])
        )
        await spell_as_before(engine, antibodies=["RhD", "antiE", "Xyz"], tested=["JKa", "c"])
        if migrated:
            server = endpoints.postgres_dsn.rpartition("/")[0]
            await migrate_again(f"{server}/{dsn['name']}")
            row = await engine.one("SELECT body, patient_has_anti_d FROM requests")
            assert row["body"]["patient"]["antibodies"] == ["D", "E", "Xyz"]
            assert row["body"]["lines"][0]["attributes"]["antigen_negative"] == ["D", "E", "Xyz"]
            assert row["patient_has_anti_d"]
            traits = (await engine.one("SELECT traits FROM units"))["traits"]
            assert traits["antigen_negative"] == ["Jka", "c"]
        # Nothing goes to the patient, and nothing stops: the request is read and decided again.
        await engine.feed(counted([build_unit("O-", traits=UnitTraits(antigen_negative=("E",)))]))
        assert await engine.status_of(asked.request_id) == "open"
        assert not await engine.dead_letter_codes()
