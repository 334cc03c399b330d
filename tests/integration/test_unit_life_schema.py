"""PostgreSQL lets through exactly the moves of the definition: every pair of states is tried."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

import pytest

from checker.quarantine_release import name_tests
from deploy.local.embedded_services import Endpoints
from models.errors import InvariantViolation
from models.laboratory import LabOutcome, LabTest
from models.rules.rulebook import PACKAGED
from models.unit_states import MOVES, RELEASED_STATES
from models.units import UnitStatus
from tests.support.engine import Engine, build_engine
from tests.support.laboratory import MARKERS, NEEDED, build_result, from_laboratory, list_clear

pytestmark = pytest.mark.integration

S = UnitStatus
_STARTS: tuple[UnitStatus | None, ...] = (None, *S)


@pytest.fixture(scope="module")
async def engine(endpoints: Endpoints) -> AsyncIterator[Engine]:
    async with build_engine(endpoints.postgres_dsn) as built:
        yield built


async def put(engine: Engine, unit_id: str, status: str, *, released: bool = True) -> None:
    """Put a unit into a state as if it had got there; only this test may switch the guard off."""
    await engine.fetch("ALTER TABLE units DISABLE TRIGGER units_life_insert")
    await insert(engine, unit_id, status, released=released)
    await engine.fetch("ALTER TABLE units ENABLE TRIGGER units_life_insert")


async def insert(
    engine: Engine,
    unit_id: str,
    status: str,
    *,
    released: bool = True,
    attested_by: str | None = "test",
    donation_id: str = "D-1",
) -> None:
    await engine.fetch(
        "INSERT INTO units (unit_id, donation_id, station_id, component, blood_group, volume_ml, "
        "collected_at, expires_at, status, source, released_at, attested_by) "
        "VALUES ($1, $5, 'shigatse', 'red_cells', 'O+', 200, '2025-01-05T01:00:00Z', "
        "now() + interval '1 day', "
        "$2, 'stock', CASE WHEN $3::boolean THEN now() END, $4)",
        unit_id,
        status,
        released,
        attested_by,
        donation_id,
    )


async def is_born(engine: Engine, unit_id: str, status: str) -> str:
    """Try to begin a life in a state; as `is_let_through`."""
    try:
        await insert(engine, unit_id, status)
    except InvariantViolation as error:
        return str(error.params["constraint"])
    return ""


async def is_let_through(engine: Engine, unit_id: str, status: str) -> str:
    """Try a move; return the name of the constraint that refused it, empty if none did."""
    try:
        await engine.fetch("UPDATE units SET status = $2 WHERE unit_id = $1", unit_id, status)
    except InvariantViolation as error:
        return str(error.params["constraint"])
    return ""


def rows_of(pairs: Iterable[tuple[UnitStatus | None, UnitStatus]]) -> set[tuple[str, str]]:
    return {(start or "", end) for start, end in pairs}


async def test_the_table_is_the_definition(engine: Engine) -> None:
    rows = await engine.fetch("SELECT * FROM unit_transitions")
    kept = {
        (row["from_state"], row["to_state"]): (
            row["cause"],
            sorted(row["actors"]),
            row["needs_release"],
            row["promise"],
        )
        for row in rows
    }
    assert kept == {
        (start or "", end): (
            move.cause,
            sorted(move.actors),
            move.needs_release,
            move.promise,
        )
        for (start, end), move in MOVES.items()
    }
    needed = await engine.fetch("SELECT test FROM needed_tests")
    assert {row["test"] for row in needed} == set(NEEDED)


async def test_every_pair_of_states_is_tried(engine: Engine) -> None:
    await engine.feed(*from_laboratory("D-1", list_clear("O+")))
    passed: set[tuple[UnitStatus | None, UnitStatus]] = set()
    tried = 0
    for start in _STARTS:
        for end in S:
            if start is end:
                continue
            tried += 1
            unit_id = f"u{tried}"
            if start is None:
                refused = await is_born(engine, unit_id, end)
            else:
                await put(engine, unit_id, start)
                refused = await is_let_through(engine, unit_id, end)
            assert refused in {"", "units_life_ck"}
            if not refused:
                passed.add((start, end))
    assert tried == len(S) * len(S)
    assert rows_of(passed) == rows_of(MOVES)


@pytest.mark.parametrize("end", sorted(RELEASED_STATES))
async def test_no_state_of_supply_without_a_release(engine: Engine, end: UnitStatus) -> None:
    with pytest.raises(InvariantViolation, match=r"units_life_ck|units_released_ck"):
        await insert(engine, "never", end, released=False)
    unit_id = f"released-{end}"
    await insert(engine, unit_id, S.QUARANTINED, released=False)
    assert await is_let_through(engine, unit_id, end) in {"units_life_ck", "units_released_ck"}


async def test_no_unit_begins_in_stock_unless_somebody_attests_it(engine: Engine) -> None:
    with pytest.raises(InvariantViolation, match="units_attested_ck"):
        await insert(engine, "never", S.AVAILABLE, attested_by=None)


@pytest.mark.parametrize("test", NEEDED)
@pytest.mark.parametrize("what", ["missing", "invalid", "reactive", "contradicting"])
async def test_no_way_out_of_quarantine_around_the_results(
    engine: Engine, test: LabTest, what: str
) -> None:
    """Not even for our own code: the row is changed by hand, with a release written beside."""
    results = list_clear("O+", tests=NEEDED, without=[test])
    against: dict[str, object] = (
        {"group": "B+"} if test is LabTest.GROUPING else {"outcome": LabOutcome.REACTIVE}
    )
    if what == "invalid":
        invalid = {"group": None, "outcome": LabOutcome.INVALID}
        results.append(build_result(test, **invalid))
    elif what == "reactive":
        results.append(build_result(test, **against))
    elif what == "contradicting":
        results += [build_result(test), build_result(test, **against)]
    donation_id = f"D-{test}-{what}".upper()
    await engine.feed(*from_laboratory(donation_id, results))
    await insert(engine, donation_id, S.QUARANTINED, released=False, donation_id=donation_id)
    await engine.fetch("UPDATE units SET released_at = now() WHERE unit_id = $1", donation_id)
    assert await is_let_through(engine, donation_id, S.AVAILABLE) == "units_cleared_ck"


METHODS = [
    "PCR", "cobas MPX", "PCR HBV", "hbv-dna", "乙肝核酸", "乙型肝炎", "丙肝", "HCV RNA", "HIV-1",
    "艾滋病", "HCV/HIV", "HBV/HCV/HIV", "三联：乙肝、丙型肝炎、艾滋", "HEV RNA", "戊型肝炎",
    "HEV, HBV", "EB病毒", "HTLV", "cmv", "b19", "wnv", "ZIKV", "DENV", "HAV", "HDV", "HGV", "EBV",
    "甲肝", "丁肝", "巨细胞病毒", "细小病毒",
]  # fmt: skip


async def test_c34_postgresql_reads_a_method_as_the_engine_and_the_checker_do(
    engine: Engine,
) -> None:
    for method in METHODS:
        result = build_result(LabTest.NAT, method=method)
        for unnamed in (True, False):
            rule = PACKAGED.testing.nat.but(unnamed_counts=unnamed)
            told = {test.value for test in rule.find_tests(result)}
            rows = await engine.fetch(
                "SELECT test FROM needed_tests WHERE is_result_of('nat', $1, test, $2)",
                method,
                unnamed,
            )
            assert {row["test"] for row in rows} == told, method
            if unnamed:
                assert name_tests("nat", method) == told, method
    rows = await engine.fetch(
        "SELECT a.test AS one, b.test AS other, a.unnamed_counts FROM needed_tests AS a "
        "CROSS JOIN needed_tests AS b WHERE is_result_of(a.test, 'PCR HIV', b.test, true)"
    )
    assert {(row["one"], row["other"]) for row in rows} == {(test, test) for test in NEEDED}
    assert {row["one"] for row in rows if row["unnamed_counts"]} == set(MARKERS)


async def test_c34_no_way_out_of_quarantine_by_a_test_of_one_virus(engine: Engine) -> None:
    results = list_clear("O+", without=[LabTest.NAT])
    results.append(build_result(LabTest.NAT, method="PCR HBV"))
    await engine.feed(*from_laboratory("D-ONE", results))
    await insert(engine, "D-ONE", S.QUARANTINED, released=False, donation_id="D-ONE")
    await engine.fetch("UPDATE units SET released_at = now() WHERE unit_id = 'D-ONE'")
    assert await is_let_through(engine, "D-ONE", S.AVAILABLE) == "units_cleared_ck"
    await engine.feed(*from_laboratory("D-ONE", [build_result(LabTest.NAT_HCV)]))
    assert await is_let_through(engine, "D-ONE", S.AVAILABLE) == "units_cleared_ck"
    await engine.feed(*from_laboratory("D-ONE", [build_result(LabTest.NAT_HIV)]))
    assert not await is_let_through(engine, "D-ONE", S.AVAILABLE)


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("test_results", "note"),
        ("unit_scans", "done_by"),
        ("recalls", "reason"),
        ("recalled_units", "recall_id"),
    ],
)
async def test_what_only_grows_cannot_be_rewritten(engine: Engine, table: str, column: str) -> None:
    for statement in (
        f"UPDATE {table} SET {column} = {column}",  # noqa: S608 - four names of ours
        f"DELETE FROM {table}",  # noqa: S608
        f"TRUNCATE {table} CASCADE",
    ):
        with pytest.raises(InvariantViolation, match="append_only"):
            await engine.fetch(statement)
