"""PostgreSQL refuses the promises that the safety kernel refuses, whoever writes them."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any

import pytest

from deploy.local.embedded_services import Endpoints
from models.components import Component
from models.errors import InvariantViolation
from models.groups import BloodGroup
from models.patients import Patient
from models.requests import Priority
from models.unit_states import MOVES
from models.units import UnitStatus, UnitTraits
from tests.support.engine import Engine, build_engine
from tests.support.kernel_tables import CONSENT, compatible_groups
from tests.support.rules import change_rule
from tests.support.world import NOW, build_request, build_unit, counted, opened

pytestmark = pytest.mark.integration

PLANT = """
WITH taken AS (
    UPDATE units SET status = 'reserved', epoch = 1 WHERE unit_id = $1
    RETURNING unit_id, component, blood_group
)
INSERT INTO promises (
    promise_id, unit_id, component, blood_group, epoch, request_id, line_no, status, rule,
    reason, held_at, hold_until
)
SELECT unit_id, unit_id, component, blood_group, 1, $2, 1, 'held', $3, $4, $5, $6 FROM taken
"""


@pytest.fixture
async def engine(endpoints: Endpoints) -> AsyncIterator[Engine]:
    async with build_engine(endpoints.postgres_dsn) as built:
        yield built


@pytest.fixture(scope="module")
async def shared(endpoints: Endpoints) -> AsyncIterator[Engine]:
    """One database for all that is planted unit by unit."""
    async with build_engine(endpoints.postgres_dsn) as built:
        yield built


NUMBERS = itertools.count(1)


async def plant(
    engine: Engine,
    *,
    donor: str = "A+",
    rule: str = "red_cells.abo@2026-3",
    component: Component = Component.RED_CELLS,
    asked: Component | None = None,
    priority: Priority = Priority.URGENT,
    traits: UnitTraits | None = None,
    before: tuple[str, ...] = (),
    **patient: object,
) -> None:
    """Let a request wait on an empty shelf, then promise it a unit by hand, past the engine."""
    unit_id = f"PLANTED-{next(NUMBERS)}"
    request_id = f"r-{unit_id}"
    await engine.fetch("UPDATE units SET status = 'discarded' WHERE status = 'available'")
    # Who is in danger of life would take what others are promised and nobody has picked.
    await engine.fetch("UPDATE units SET status = 'picked' WHERE status = 'reserved'")
    told = Patient.model_validate({"group": "A+", **patient})
    await engine.feed(
        opened(
            build_request(
                request_id=request_id,
                patient=told,
                priority=priority,
                component=asked or component,
                quantity=1,
            )
        )
    )
    unit = build_unit(donor, unit_id=unit_id, component=component, traits=traits, expires_in_h=48)
    await engine.feed(counted([unit]))
    for statement in before:
        await engine.fetch(statement, unit_id)
    reason = {"code": "compatible_group", "rule": rule}
    until = NOW + timedelta(hours=4)
    name = rule.partition("@")[0]
    await engine.fetch(PLANT, unit_id, request_id, name, reason, NOW, until)


async def count_promises(engine: Engine) -> int:
    return len(await engine.fetch("SELECT 1 FROM promises"))


FALLBACK, DEL = "rhd.consented_fallback@2026-3", "rhd.asian_del@2026-3"
DYING = Priority.LIFE_THREATENING
LOW = UnitTraits(low_titre=True)
SOUND: Mapping[str, dict[str, Any]] = {
    "identical": {},
    "group O for A": {"donor": "O-"},
    "consented": {
        "group": "A-", "donor": "A+", "rule": FALLBACK, "rhd_consent": CONSENT, "priority": DYING,
    },
    "DEL": {"group": "A-", "donor": "O+", "rule": DEL, "asian_del": True},
    "low-titre platelets": {
        "donor": "O+", "component": Component.PLATELETS, "rule": "platelets.abo@1", "traits": LOW,
    },
    "unknown": {"group": None, "donor": "O-", "rule": "unknown.group@2026-3"},
    "RhD+ plasma for a holder of anti-D": {
        "group": "A-", "donor": "AB+", "antibodies": ("D",), "rule": "plasma.abo@2026-3",
        "component": Component.FROZEN_PLASMA,
    },
}  # fmt: skip


@pytest.mark.parametrize("case", sorted(SOUND))
async def test_a_sound_promise_may_be_written_by_hand(shared: Engine, case: str) -> None:
    before = await count_promises(shared)
    await plant(shared, **SOUND[case])

    assert await count_promises(shared) == before + 1


ARRIVES_LATER = "UPDATE decisions SET eta_s = 600 WHERE request_id = 'r-' || $1"
MOVED = "UPDATE units SET {} WHERE unit_id = $1"
UNSOUND: Mapping[str, tuple[str, dict[str, Any]]] = {
    "ABO": ("promises_group_ck", {"donor": "B+"}),
    "RhD+ for RhD-": ("promises_group_ck", {"group": "A-", "donor": "A+"}),
    "fallback without consent": (
        "promises_group_ck",
        {"group": "A-", "donor": "A+", "rule": FALLBACK, "priority": DYING},
    ),
    "fallback for a routine order": (
        "promises_group_ck",
        {
            "group": "A-", "donor": "A+", "rule": FALLBACK, "rhd_consent": CONSENT,
            "priority": Priority.ROUTINE,
        },
    ),
    "life-saving without danger": (
        "promises_group_ck",
        {"group": "A-", "donor": "A+", "rule": "rhd.lifesaving@2026-3"},
    ),
    "fallback with anti-D": (
        "promises_group_ck",
        {
            "group": "A-", "donor": "A+", "rule": FALLBACK, "rhd_consent": CONSENT,
            "priority": DYING, "antibodies": ("D",),
        },
    ),
    "DEL of one who is none": ("promises_group_ck", {"group": "A-", "donor": "A+", "rule": DEL}),
    "RhD+ for RhD+ with anti-D": ("promises_group_ck", {"antibodies": ("D",)}),
    "platelets out of group of high titre": (
        "promises_group_ck",
        {"donor": "O+", "component": Component.PLATELETS, "rule": "platelets.abo@1"},
    ),
    "group O whole blood without danger": (
        "promises_group_ck",
        {
            "donor": "O+", "component": Component.WHOLE_BLOOD, "rule": "whole_blood.abo@1",
            "traits": LOW,
        },
    ),
    "a rule that does not exist": ("promises_group_ck", {"rule": "because"}),
    "no rule": ("promises_group_ck", {"rule": ""}),
    "unknown given A": ("promises_group_ck", {"group": None, "rule": "unknown.group@1"}),
    "frozen in glycerol": (
        "promises_component_ck",
        {"component": Component.FROZEN_RED_CELLS, "asked": Component.FROZEN_RED_CELLS},
    ),
    "another component": ("promises_component_ck", {"asked": Component.WASHED_RED_CELLS}),
    "expired when held": (
        "promises_unit_expiry_ck",
        {"before": (MOVED.format("expires_at = '2025-01-07T01:30:00Z'"),)},
    ),
    "expires on the way": (
        "promises_unit_expiry_ck",
        {
            "before": (
                MOVED.format("expires_at = '2025-01-07T01:40:00Z'"),
                ARRIVES_LATER,
            )
        },
    ),
    "at another station": (
        "promises_unit_station_ck", {"before": (MOVED.format("station_id = 'lhasa'"),)},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", sorted(UNSOUND))
async def test_an_unsound_promise_is_refused(shared: Engine, case: str) -> None:
    constraint, changes = UNSOUND[case]
    before = await count_promises(shared)
    with pytest.raises(InvariantViolation) as refused:
        await plant(shared, **changes)

    assert refused.value.params["constraint"] == constraint
    assert await count_promises(shared) == before


MOVE_UNDER_PROMISE = (
    "WITH moved AS (UPDATE units SET status = $1) UPDATE promises SET status = 'held'"
)


@pytest.mark.parametrize("status", sorted({*UnitStatus} - {"reserved", "picked"}))
async def test_the_unit_must_be_reserved_for_it(engine: Engine, status: str) -> None:
    """Whatever the life of a unit allows: that guard is taken away, so this one stands alone."""
    await plant(engine)
    await engine.fetch("ALTER TABLE units DISABLE TRIGGER units_life_update")
    with pytest.raises(InvariantViolation) as refused:
        await engine.fetch(MOVE_UNDER_PROMISE, status)

    assert refused.value.params["constraint"] == "promises_unit_status_ck"


@pytest.mark.parametrize("status", sorted({*UnitStatus} - {"reserved", "picked"}))
async def test_a_promised_unit_goes_nowhere_while_its_promise_is_held(
    engine: Engine, status: str
) -> None:
    """The life of a unit is asked first, and refuses what it does not know at all."""
    await plant(engine)
    with pytest.raises(InvariantViolation) as refused:
        await engine.fetch(MOVE_UNDER_PROMISE, status)

    is_move = (UnitStatus.RESERVED, UnitStatus(status)) in MOVES
    expected = "promises_unit_status_ck" if is_move else "units_life_ck"
    assert refused.value.params["constraint"] == expected


async def test_a_unit_leaves_only_for_the_request_as_it_now_reads(engine: Engine) -> None:
    await plant(engine)
    await engine.fetch("UPDATE requests SET patient_group = 'B+'")
    with pytest.raises(InvariantViolation) as refused:
        await engine.fetch(
            "WITH gone AS (UPDATE units SET status = 'issued') "
            "UPDATE promises SET status = 'issued'"
        )

    assert refused.value.params["constraint"] == "promises_group_ck"


async def test_what_was_given_back_before_the_commit_is_not_judged(engine: Engine) -> None:
    await plant(engine)
    async with engine.database.transaction() as connection:
        await connection.execute("UPDATE promises SET status = 'held'")
        await connection.execute("UPDATE promises SET status = 'released', ended_at = held_at")
        await connection.execute("UPDATE units SET status = 'available'")

    row = await engine.one("SELECT status FROM promises")
    assert row["status"] == "released"


async def test_a_broken_rule_of_the_engine_is_stopped_by_the_database(
    engine: Engine,
) -> None:
    """The engine decides by a wrong rule: the transaction fails, and nothing is written."""
    await engine.feed(counted([build_unit("B+")]))
    rules = change_rule("compatibility", "abo.red_cells", A=["A", "B"])
    wrong = await engine.under(rules)
    with pytest.raises(InvariantViolation, match="promises_group_ck"):
        await wrong.feed(opened(build_request(group="A+", quantity=1)))

    assert not await engine.fetch("SELECT 1 FROM promises")
    assert not await engine.fetch("SELECT 1 FROM requests")
    assert not await engine.fetch("SELECT 1 FROM inbox WHERE reader LIKE '%urgent%'")


async def test_the_table_in_sql_is_the_rule_data(engine: Engine) -> None:
    rows = await engine.fetch("SELECT * FROM compatible_groups")
    told = {
        (row["component"], row["recipient"], row["donor"], row["rule"]): (
            row["low_titre"],
            tuple(row["priorities"]),
        )
        for row in rows
    }
    needs = {(row["rule"], row["needs"]) for row in rows if row["needs"]}

    assert told == compatible_groups()
    assert needs == {("rhd.consented_fallback", "consent"), ("rhd.asian_del", "asian_del")}
    assert {row["rule"] for row in rows if not row["needs"]} & {name for name, _ in needs} == set()
    assert {BloodGroup(row["donor"]) for row in rows} == set(BloodGroup)
