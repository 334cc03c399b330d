"""Bags scanned over HTTP and on the command line, on real Kafka and PostgreSQL."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from stdnum.iso7064 import mod_37_2

from deploy.local.embedded_services import Endpoints
from gateway.files.station_files import read_station_file
from gateway.labels.barcode_values import Moment, ProductCode
from gateway.labels.label_file import parse_label_book
from models.errors import ConfigurationError
from models.groups import BloodGroup
from tests.support.commands import xuelian
from tests.support.gateway import RunningGateway, running_engine, running_gateway
from tests.support.kafka import read_all, unique
from tests.support.label_writing import (
    make_donation,
    make_group,
    make_moment,
    render_compound,
)
from tests.support.labels import SHANGHAI, read_example
from tests.support.scanning import (
    EXPIRES_AT,
    PRODUCT,
    add_bag,
    barcodes,
    reserve,
    scan,
    scans_of,
    unit_id,
    wait_for_status,
)

pytestmark = pytest.mark.integration

PATH = scans_of("stations/shigatse")


@pytest_asyncio.fixture(scope="module")
async def world(
    endpoints: Endpoints, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RunningGateway]:
    folder = tmp_path_factory.mktemp("labels")
    (folder / "shigatse.toml").write_text(read_example(), encoding="utf-8")
    async with running_gateway(endpoints, labels_dir=folder) as gateway, running_engine(gateway):
        yield gateway


async def test_a_bag_is_issued_and_received_by_its_barcodes(world: RunningGateway) -> None:
    await add_bag(world, 1)
    request_id = await reserve(world, units=1, group="A+")
    issued = await scan(world, "issue", list(reversed(barcodes(1))), request_id=request_id)
    assert issued.status_code == 202, issued.text
    told = issued.json()
    assert (told["accepted"], told["refused"]) == (1, 0)
    (bag,) = told["bags"]
    assert (bag["unit_id"], bag["request_id"]) == (unit_id(1), request_id)
    assert {"group", "expires_at", "component", "volume_ml"} <= set(bag["compared"])
    assert [line["outcome"] for line in told["lines"]] == ["accepted"] * 4
    check = mod_37_2.calc_check_digit("G123425000001")
    assert told["lines"][3]["says"] == [{"what": "donation", "value": f"G1234 25 000001 {check}"}]
    await wait_for_status(world, 1, "issued")
    received = await scan(world, "receive", ["=+04000" + "".join(barcodes(1))])
    assert received.status_code == 202, received.text
    await wait_for_status(world, 1, "received")
    world.clock.move(seconds=1)
    again = await scan(world, "receive", barcodes(1), wait_s=10)
    assert (again.status_code, again.json()["code"]) == (422, "scans_refused")
    assert "现为 received" in again.json()["errors"][0]["what_to_do"]
    assert "is received" in again.json()["errors"][0]["what_to_do"]


async def test_a_mislabelled_bag_goes_nowhere_and_the_rest_does(world: RunningGateway) -> None:
    for number in (11, 12, 13):
        await add_bag(world, number, group="B+")
    await reserve(world, units=3, group="B+")
    lines = [
        *barcodes(11, group="O+"),
        *barcodes(12, group="B+", expires_at=EXPIRES_AT - timedelta(days=1)),
        *barcodes(13, group="B+"),
    ]
    answer = await scan(world, "issue", lines)
    assert answer.status_code == 202, answer.text
    told = answer.json()
    assert (told["accepted"], told["refused"]) == (1, 2)
    assert [bag["outcome"] for bag in told["bags"]] == ["refused", "refused", "accepted"]
    reasons = [line["reason"] for line in told["lines"]]
    assert [reason["code"] for reason in reasons[:8]] == ["label_contradicts_record"] * 8
    assert reasons[0]["params"] == {
        "unit_id": unit_id(11), "what": "group", "label": "O+", "recorded": "B+",
    }  # fmt: skip
    assert reasons[4]["params"]["what"] == "expires_at"
    assert reasons[0]["zh"].startswith("血袋")
    await wait_for_status(world, 13, "issued")
    rows = await world.database.fetch(
        "SELECT status FROM units WHERE unit_id = ANY($1)", [unit_id(11), unit_id(12)]
    )
    assert {row["status"] for row in rows} == {"reserved"}


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        # Swapped digits, a wrong check, a character too few: what was read, what was expected.
        (["=G12341756432170"], [("G123417564321", "70", "65"), ("1",)]),
        (["=G12341765432171"], [("G123417654321", "71", "70"), ("1",)]),
        (["G1234 17 654321 B"], [("G123417654321", "B", "A"), ("1",)]),
        (["=G1234176543217"], [("=G1234176543217", "15", "16"), ("1",)]),
        (["=<EX777V00"], [("EX777V00", "shigatse.toml"), ("1",)]),
        (["=%9700"], [("97", "51"), ("1",)]),
        (barcodes(99), [("G123425000099-EX001V00",)]),
        (barcodes(99)[:3], [("expiry",)]),
    ],
)
async def test_what_cannot_be_taken_is_told(
    world: RunningGateway, lines: list[str], said: list[tuple[str, ...]]
) -> None:
    before = len(await read_all(world.bootstrap, "blood.stock.v1"))
    answer = await scan(world, "issue", lines)
    assert (answer.status_code, answer.json()["code"]) == (422, "scans_refused")
    errors = answer.json()["errors"]
    assert len(errors) == len(said)
    for error, words in zip(errors, said, strict=True):
        assert lines[0] in error["field"]
        for word in words:
            assert word in error["what_to_do"]
            assert word in error["rule"]
    assert len(await read_all(world.bootstrap, "blood.stock.v1")) == before


async def test_a_bag_meant_for_another_patient_is_refused(world: RunningGateway) -> None:
    await add_bag(world, 21, group="AB+")
    meant = await reserve(world, units=1, group="AB+")
    other = await scan(world, "issue", barcodes(21, group="AB+"), request_id="another-request")
    assert other.status_code == 422
    assert meant in other.json()["errors"][0]["what_to_do"]
    await add_bag(world, 22, group="AB+")
    nobody = await scan(world, "issue", barcodes(22, group="AB+"))
    assert "available" in nobody.json()["errors"][0]["what_to_do"]


async def test_a_repeat_under_one_key_is_one(world: RunningGateway) -> None:
    await add_bag(world, 31, group="AB-")
    await reserve(world, units=1, group="AB-")
    key, lines = unique("k"), barcodes(31, group="AB-")
    first = await scan(world, "issue", lines, key=key, scanned_at="2025-01-07T01:00:00Z")
    assert first.status_code == 202, first.text
    await wait_for_status(world, 31, "issued")
    again = await scan(world, "issue", lines, key=key, scanned_at="2025-01-07T01:00:00Z")
    assert again.status_code == 202, again.text
    assert again.json()["bags"][0]["event_id"] == first.json()["bags"][0]["event_id"]
    wrong = await scan(
        world, "issue", barcodes(31, group="O+"), key=key, scanned_at="2025-01-07T01:00:00Z"
    )
    assert wrong.status_code == 422, "a repeat with another label is no repeat"
    unkeyed = await scan(world, "issue", lines, wait_s=10)
    assert unkeyed.status_code == 422
    assert "现为 issued" in unkeyed.json()["errors"][0]["what_to_do"]
    no_moment = await scan(world, "issue", lines, key=key)
    assert (no_moment.status_code, no_moment.json()["code"]) == (400, "moment_needed")


async def test_the_promise_that_counts_is_the_live_one(world: RunningGateway) -> None:
    await add_bag(world, 71, group="O+")
    first = await reserve(world, units=1, group="O+")
    cancelled = await world.client("hospital").post(
        f"/v1/requests/{first}/cancel",
        json={"reason": "transferred"},
        headers={"Idempotency-Key": unique("k"), "Prefer": "wait=10"},
    )
    assert cancelled.json()["status"] == "cancelled", cancelled.text
    second = await reserve(world, units=1, group="O+")
    rows = await world.database.fetch(
        "SELECT status FROM promises WHERE unit_id = $1 ORDER BY epoch", unit_id(71)
    )
    assert [row["status"] for row in rows] == ["released", "held"]
    # The ended one stands behind the live one on its page, as any later write may put it.
    await world.database.fetch("UPDATE promises SET reason = reason WHERE request_id = $1", first)
    lines = barcodes(71, group="O+")
    assert (await scan(world, "issue", lines, request_id=first)).status_code == 422
    issued = await scan(world, "issue", lines, request_id=second)
    assert issued.status_code == 202, issued.text
    await wait_for_status(world, 71, "issued")


async def test_one_bag_twice_in_a_batch_is_one(world: RunningGateway) -> None:
    await add_bag(world, 41, group="O-")
    await reserve(world, units=1, group="O-")
    lines = barcodes(41, group="O-")
    told = (await scan(world, "issue", [*lines, "", *lines])).json()
    assert (told["accepted"], told["refused"]) == (1, 1)
    assert told["bags"][1]["reason"]["code"] == "bag_twice"
    await wait_for_status(world, 41, "issued")


async def test_discarding_needs_a_reason(world: RunningGateway) -> None:
    await add_bag(world, 51, group="A-")
    lines = barcodes(51, group="A-")
    bare = await scan(world, "discard", lines)
    assert (bare.status_code, bare.json()["code"]) == (400, "fields_invalid")
    assert [error["field"] for error in bare.json()["errors"]] == ["reason"]
    assert (await scan(world, "discard", lines, reason="leaking")).status_code == 202
    await wait_for_status(world, 51, "discarded")
    rows = await world.database.fetch(
        "SELECT why FROM audit WHERE subject = $1 AND to_state = 'discarded'", unit_id(51)
    )
    assert [row["why"] for row in rows] == ["leaking"]


async def test_who_may_scan_and_where(world: RunningGateway) -> None:
    body = {"action": "issue", "barcodes": barcodes(1)}
    foreign = await world.client("station").post("/v1/stations/lhasa/scans", json=body)
    assert (foreign.status_code, foreign.json()["code"]) == (403, "facility_not_yours")
    hospital = await world.client("hospital").post(PATH, json=body)
    assert (hospital.status_code, hospital.json()["code"]) == (403, "scope_not_allowed")
    none = await world.client("dispatcher").post("/v1/stations/lhasa/scans", json=body)
    assert (none.status_code, none.json()["code"]) == (422, "labels_not_set")
    unknown = await world.client("dispatcher").post("/v1/stations/nowhere/scans", json=body)
    assert (unknown.status_code, unknown.json()["code"]) == (422, "station_unknown")
    many = await world.client("station").post(PATH, json={**body, "barcodes": ["x"] * 1001})
    assert (many.status_code, many.json()["code"]) == (400, "fields_invalid")


async def test_a_changed_file_is_read_at_the_next_scan(world: RunningGateway) -> None:
    folder = world.gateway.parts.settings.labels_dir
    assert folder is not None
    file = folder / "shigatse.toml"
    kept = file.with_suffix(".kept")
    shutil.copy(file, kept)
    try:
        added = '\n[[product]]\ncode = "EX777"\ncomponent = "red_cells"\n'
        file.write_text(read_example() + added, encoding="utf-8")
        lines = ["=<EX777V00" if line.startswith("=<") else line for line in barcodes(99)]
        answer = await scan(world, "issue", lines)
        assert "G123425000099-EX777V00" in answer.text
        file.write_text("nonsense", encoding="utf-8")
        broken = await scan(world, "issue", lines)
        assert (broken.status_code, broken.json()["code"]) == (422, "labels_invalid")
        assert "shigatse.toml" in broken.json()["detail"]
    finally:
        kept.replace(file)


async def test_the_command_line_scans(world: RunningGateway, tmp_path: Path) -> None:
    await add_bag(world, 61, group="B-")
    await reserve(world, units=1, group="B-")
    env = {"XUELIAN_GATEWAY_URL": world.url, "XUELIAN_API_KEY": world.keys["station"]}
    lines = barcodes(61, group="B-")
    refused = await xuelian(
        "scan", "issue", "--station", "shigatse", *lines[:1], "=<EX777V00", *lines[2:], env=env
    )
    assert refused.exit_code == 1
    assert "EX777V00" in refused.stderr
    done = await xuelian("scan", "issue", "-s", "shigatse", *lines, "--json", env=env)
    assert done.exit_code == 0, done.stderr
    assert done.document["bags"][0]["unit_id"] == unit_id(61)
    await wait_for_status(world, 61, "issued")
    whole = render_compound(values_of(61))
    shown = await xuelian("scan", "receive", "-s", "shigatse", whole, env=env)
    assert shown.exit_code == 0, shown.stderr
    assert "接受 · accepted: 1" in shown.stdout
    file = tmp_path / "shigatse.toml"
    file.write_text(read_example(), encoding="utf-8")
    checked = await xuelian("labels", "check", file, env=env)
    assert checked.exit_code == 0
    assert "EX001" in checked.stdout
    file.write_text(read_example().replace("Asia/Shanghai", "Nowhere"), encoding="utf-8")
    assert (await xuelian("labels", "check", file, env=env)).exit_code == 4
    with pytest.raises(ConfigurationError):
        read_station_file(tmp_path / "none.toml", parse_label_book, code="labels_invalid")


def values_of(number: int) -> list[Any]:
    return [
        make_donation(f"G123425{number:06d}"),
        ProductCode(PRODUCT),
        make_group(BloodGroup.B_NEG),
        make_moment(Moment.EXPIRY, EXPIRES_AT, SHANGHAI),
    ]
