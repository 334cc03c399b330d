"""Only the safety kernel makes a clearance, and nothing is promised without one."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import FrozenInstanceError, fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from models.clearance import Cleared, Refused, Step
from models.decisions import Decision
from models.directory import Journey
from models.errors import InvariantViolation
from models.facilities import StationPolicy
from models.groups import BloodGroup
from models.requests import RequestStatus
from models.rules.rulebook import PACKAGED
from models.safety import clear
from models.seal import KERNEL, Seal
from models.shortages import Transfer, TransferStatus
from models.units import UnitStatus
from streams.matching.allocation.batch_decision import Matched, decide_batch
from streams.matching.available_units import Shelf
from streams.matching.decision_inputs import Case
from streams.ports import Context
from streams.ports.clearances import ensure_cleared_for_transfer
from streams.ports.requests import Ruling
from tests.support.safety import build_facts, build_purpose, build_route, build_transfer
from tests.support.world import NOW, PEOPLES, build_request

ROOT = Path(__file__).parents[2]
PACKAGES = ("models", "streams", "gateway", "cli", "demo", "bench", "checker", "deploy")


def cleared() -> Cleared:
    answer = clear(
        build_facts(),
        purpose=build_purpose(),
        step=Step.RESERVE,
        route=build_route(),
        now=NOW,
        rules=PACKAGED,
    )
    assert isinstance(answer, Cleared)
    return answer


def test_nobody_else_can_make_a_clearance() -> None:
    real = cleared()
    with pytest.raises(InvariantViolation, match=r"clearance_forged\b"):
        Cleared(
            unit=real.unit,
            purpose=real.purpose,
            step=real.step,
            candidate=real.candidate,
            at=real.at,
            seal=Seal(),
        )


def test_a_clearance_cannot_be_turned_into_one_for_another_unit() -> None:
    # Which of the two depends on the version of Python.
    with pytest.raises((TypeError, ValueError), match="seal"):
        replace(cleared(), unit=build_facts(unit_id="other"))  # type: ignore[call-arg]  # mypy sees it too


def test_the_seal_does_not_stay_on_the_clearance() -> None:
    assert not any(
        getattr(cleared(), name, None) is KERNEL for name in (*Cleared.__slots__, "seal")
    )


def _modules() -> Iterator[tuple[str, ast.Module]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            yield name, ast.parse(path.read_text(encoding="utf-8"))


def _list_makers(tree: ast.Module) -> list[str]:
    """Calls of the class under any name, the seal's module, and ways around a constructor."""
    names = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "models.clearance"
        for alias in node.names
        if alias.name == "Cleared"
    }
    made = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            around = called.endswith((".__new__", ".__setattr__")) and ast.unparse(node.args[0])
            if called in names or called.endswith(".Cleared") or around not in {False, "self"}:
                made.append(called)
        elif isinstance(node, ast.ImportFrom) and node.module == "models.seal":
            made.append("models.seal")
        elif isinstance(node, ast.Import):
            made += [alias.name for alias in node.names if alias.name == "models.seal"]
    return made


def test_only_the_kernel_calls_the_constructor() -> None:
    makers = {name: _list_makers(tree) for name, tree in _modules()}

    assert {name: made for name, made in makers.items() if made} == {
        "models/clearance.py": ["models.seal"],
        "models/safety.py": ["models.seal", "Cleared"],
    }


@pytest.mark.parametrize(
    "forged",
    [
        "from models.clearance import Cleared\nCleared(unit=1)",
        "from models.clearance import Cleared as Fine\nFine(unit=1)",
        "import models.clearance\nmodels.clearance.Cleared(unit=1)",
        "object.__new__(Cleared)",
        "object.__setattr__(one, 'unit', other)",
        "from models.seal import KERNEL",
        "import models.seal",
    ],
)
def test_the_scan_sees_a_forger(forged: str) -> None:
    assert _list_makers(ast.parse(forged))


def test_the_import_contract_sees_a_forger(tmp_path: Path) -> None:
    for package in PACKAGES:
        shutil.copytree(
            ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "*.md")
        )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "streams" / "matching" / "forger.py").write_text("from models.seal import KERNEL\n")
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [linter, "--no-cache"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1, done.stdout
    assert "Only the safety kernel has the seal of a clearance BROKEN" in done.stdout
    assert done.stdout.count("BROKEN") == 1


PLANTED = """
from datetime import datetime

from models.clearance import Cleared, Step, UnitFacts
from models.decisions import Decision, Reason
from models.requests import RequestStatus, UrgentRequest
from models.shortages import Transfer
from streams.ports import Context
from streams.ports.shortages import ExchangeStore
from streams.ports.requests import Ruling

STATUS = RequestStatus.RESERVED


def promise(ask: UrgentRequest, told: Decision, unit: UnitFacts, context: Context) -> None:
    at = context.now
    Ruling(  # without
        request=ask,
        decision=told,
        status=STATUS,
        from_status="",
        opened_at=at,
        context=context,
        why="",
    )
    Ruling(
        request=ask,
        decision=told,
        cleared=(unit,),  # unit
        status=STATUS,
        from_status="",
        opened_at=at,
        context=context,
        why="",
    )


async def send(
    exchange: ExchangeStore, to: Transfer, one: Cleared, why: Reason, at: datetime
) -> None:
    promise = exchange.promise_to_transfer
    await promise(to, [one.unit], reason=why, hold_until=at)  # unit
    await promise(to, [one], reason=why, hold_until=at)
    Cleared(unit=one.unit, purpose=one.purpose, step=Step.ISSUE, candidate=None, at=at)  # without
"""


def test_mypy_sees_a_promise_without_a_clearance(tmp_path: Path) -> None:
    planted = tmp_path / "planted.py"
    planted.write_text(PLANTED)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", "pyproject.toml", planted],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    told = {
        int(line.split(":")[1])
        for line in done.stdout.splitlines()
        if "error:" in line and "planted.py" in line
    }
    wrong = {
        number
        for number, line in enumerate(PLANTED.splitlines(), start=1)
        if line.endswith(("# without", "# unit"))
    }

    assert told == wrong, done.stdout + done.stderr
    assert len(wrong) == 4


def decide(quantity: int = 2) -> Matched:
    case = Case(
        request=build_request(request_id="r-1", group="A+", quantity=quantity),
        hospital=PEOPLES,
        policy=StationPolicy(),
        journey=Journey(eta_s=1800, estimated=False),
        version=1,
        cause_id="e-1",
        rules=PACKAGED,
    )
    shelf = Shelf([build_facts(unit_id=f"u-{at}") for at in range(quantity)])
    (matched,) = decide_batch([case], shelf=shelf, now=NOW, hold_s=3600)
    assert len(matched.cleared) == quantity
    return matched


def rule(decision: Decision, cleared: tuple[Cleared, ...]) -> Ruling:
    return Ruling(
        request=build_request(request_id="r-1", group="A+"),
        decision=decision,
        cleared=cleared,
        status=RequestStatus.RESERVED,
        from_status="",
        opened_at=NOW,
        context=Context(now=NOW, cause="e-1", actor="hospital/lhasa-1"),
        why="opened",
    )


def test_a_ruling_takes_the_clearances_of_its_own_units() -> None:
    matched = decide()

    assert rule(matched.decision, matched.cleared).cleared == matched.cleared


def change_unit(matched: Matched, **changes: object) -> Decision:
    (line,) = matched.decision.lines
    first, *rest = line.reserved
    return matched.decision.but(lines=(line.but(reserved=(first.but(**changes), *rest)),))


@pytest.mark.parametrize(
    "changes",
    [
        {"unit_id": "other"},
        {"epoch": 7},
        {"group": BloodGroup.A_NEG},
        {"component": "platelets"},
        {"capped": True},
        {"expires_at": NOW},
        {"volume_ml": 401},
        {"emergency_release": True},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_ruling_refuses_a_unit_other_than_the_cleared_one(changes: dict[str, object]) -> None:
    matched = decide()
    with pytest.raises(InvariantViolation, match=r"promise_not_cleared\b"):
        rule(change_unit(matched, **changes), matched.cleared)


@pytest.mark.parametrize(
    "changes",
    [
        {"request_id": "r-2"},
        {"station_id": "lhasa"},
        {"decided_at": NOW + timedelta(seconds=1)},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_ruling_refuses_what_was_cleared_for_something_else(changes: dict[str, object]) -> None:
    matched = decide()
    with pytest.raises(InvariantViolation, match=r"promise_not_cleared\b"):
        rule(matched.decision.but(**changes), matched.cleared)


def test_a_ruling_refuses_another_line_too_few_and_swapped_clearances() -> None:
    matched = decide()
    (line,) = matched.decision.lines
    for decision, given in (
        (matched.decision.but(lines=(line.but(line_no=2),)), matched.cleared),
        (matched.decision, matched.cleared[:1]),
        (matched.decision, (*matched.cleared, matched.cleared[0])),
        (matched.decision, matched.cleared[::-1]),
        (matched.decision, ()),
        (matched.decision, (cleared_for_station(), matched.cleared[1])),
    ):
        with pytest.raises(InvariantViolation, match=r"promise_not_cleared\b"):
            rule(decision, given)


def cleared_for_station() -> Cleared:
    unit = build_facts(unit_id="u-0")
    answer = clear(
        unit,
        purpose=build_transfer(),
        step=Step.RESERVE,
        route=build_route(),
        now=NOW,
        rules=PACKAGED,
    )
    assert isinstance(answer, Cleared)
    return answer


def make_transfer(**changes: object) -> Transfer:
    fields: dict[str, object] = {
        "transfer_id": "t-1",
        "offer_id": "o-1",
        "shortage_id": "s-1",
        "from_station_id": "shigatse",
        "to_station_id": "lhasa",
        "status": TransferStatus.AGREED,
        "unit_ids": ("u-0",),
        "eta_s": 1800,
        "agreed_at": NOW,
    }
    return Transfer.model_validate({**fields, **changes})


def test_a_ruling_refuses_a_line_that_asks_for_another_component() -> None:
    matched = decide()
    (line,) = matched.decision.lines
    other = matched.decision.but(lines=(line.but(component="washed_red_cells"),))
    with pytest.raises(InvariantViolation, match=r"promise_not_cleared\b"):
        rule(other, matched.cleared)


def clear_to_issue(one: Cleared) -> Cleared:
    """The same unit for the same purpose, cleared to leave and not to be reserved."""
    unit = replace(one.unit, status=UnitStatus.RESERVED)
    answer = clear(
        unit, purpose=one.purpose, step=Step.ISSUE, route=build_route(), now=one.at, rules=PACKAGED
    )
    assert isinstance(answer, Cleared)
    return answer


def test_what_was_cleared_to_leave_was_not_cleared_to_be_promised() -> None:
    matched = decide(1)
    with pytest.raises(InvariantViolation, match=r"promise_not_cleared\b"):
        rule(matched.decision, (clear_to_issue(matched.cleared[0]),))
    ensure_cleared_for_transfer(make_transfer(), [cleared_for_station()])
    with pytest.raises(InvariantViolation, match=r"promise_not_cleared\b"):
        ensure_cleared_for_transfer(make_transfer(), [clear_to_issue(cleared_for_station())])


@pytest.mark.parametrize(
    "value",
    [
        build_facts(),
        build_purpose(),
        build_transfer(),
        build_route(),
        Refused(unit=build_facts(), reasons=()),
        cleared(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_the_kernel_was_asked_and_said_cannot_be_changed(value: Any) -> None:  # noqa: ANN401 - one of six
    told = fields(value)
    with pytest.raises(FrozenInstanceError):
        setattr(value, told[0].name, None)
    assert not hasattr(value, "__dict__")
    assert all(field.kw_only for field in told)


def test_a_transfer_takes_only_what_was_cleared_for_it() -> None:
    ensure_cleared_for_transfer(make_transfer(), [cleared_for_station()])
    for transfer in (
        # On either side of what was cleared: an order must not stand in for a comparison.
        make_transfer(unit_ids=("t-9",)),
        make_transfer(unit_ids=("u-1",)),
        make_transfer(unit_ids=("u-0", "u-1")),
        make_transfer(to_station_id="chengdu"),
        make_transfer(to_station_id="ngari"),
        make_transfer(from_station_id="ngari"),
        make_transfer(from_station_id="zhongba"),
        make_transfer(agreed_at=NOW - timedelta(seconds=1)),
        make_transfer(agreed_at=NOW + timedelta(seconds=1)),
    ):
        with pytest.raises(InvariantViolation, match=r"promise_not_cleared\b"):
            ensure_cleared_for_transfer(transfer, [cleared_for_station()])
    with pytest.raises(InvariantViolation, match=r"promise_not_cleared\b"):
        ensure_cleared_for_transfer(make_transfer(unit_ids=("u-0",)), [decide(1).cleared[0]])
