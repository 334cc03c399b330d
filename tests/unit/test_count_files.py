"""A file becomes the parts of a count: here or in a process apart, byte for byte the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from gateway.count_intake import Count, PreviewToken, _ensure_as_previewed
from gateway.files.count_files import (
    APART_BYTES,
    CountRead,
    KeptReads,
    ReadOptions,
    read_count,
    read_here,
)
from gateway.files.sheets import CSV
from gateway.files.station_words import NO_WORDS
from models.errors import ContractError, DomainRefusal
from models.events import decode_event
from models.events.stock import PART_UNITS, Attestation, StockCounted
from models.texts.instants import BEIJING
from streams.services.stock_entries import CountPlan, RefusedUnit

HEAD = "血袋号,献血码,品种,血型,规格,采血日期,失效日期"
NOW = datetime(2025, 1, 7, 1, 30, tzinfo=UTC)
ATTESTED = {"released_by": "质管科", "released_at": "2025-01-06T10:00:00Z"}


def reading(content_type: str = CSV, *, partial: bool = False) -> ReadOptions:
    return ReadOptions(
        station_id="nagqu",
        content_type=content_type,
        zone=BEIJING,
        partial=partial,
        now=NOW,
        attestation=Attestation.model_validate(ATTESTED),
    )


def file_of(units: int, *, bad: str = "") -> bytes:
    rows = [f"W{n},D{n},悬浮红细胞,A+,200ml,2025-01-02,2025-02-05" for n in range(units)]
    return "\n".join([HEAD, *rows, bad]).encode()


def count_of(read: CountRead, *, full: bool = False) -> Count:
    return Count(
        station_id="nagqu",
        counted_at=NOW,
        full=full,
        file_digest="f",
        read=read,
        attestation=Attestation.model_validate(ATTESTED),
    )


def own_word(units: int) -> bytes:
    rows = [
        f"W{n},D{n},悬浮红细胞,A+,200ml,2025-01-02,2025-02-05,张敏,2025-01-05 10:00"
        for n in range(units)
    ]
    return "\n".join([f"{HEAD},放行人,放行时间", *rows]).encode()


def test_units_that_are_left_out_leave_the_others_as_they_were() -> None:
    read = read_here(own_word(PART_UNITS + 2), reading())
    count = count_of(read)
    refused = [
        RefusedUnit("W1", DomainRefusal("donation_recalled", unit_id="W1", donation_id="D1"))
    ]
    (error,) = count.list_refused(refused)
    assert (error.row, error.column, error.code) == (3, "donation_id", "donation_recalled")
    rest = count.without(refused)
    assert rest.units == PART_UNITS + 1
    assert rest.to_count_id(None) != count.to_count_id(None)
    assert count.without([]).to_count_id(None) == count.to_count_id(None)
    whole = [row for part in read.parts for row in orjson.loads(part)]
    events = [decode_event(part.TYPE, part.to_body()) for part in rest.to_parts("c")]
    assert [event.to_body() for event in events] == [part.to_body() for part in rest.to_parts("c")]
    left = [row for part in rest.read.parts for row in orjson.loads(part)]
    assert left == [row for row in whole if row["unit"]["unit_id"] != "W1"]
    assert rest.read.find_counted("W2") == (("", 4), whole[2])


@pytest.mark.parametrize("content", [file_of(PART_UNITS + 1), own_word(PART_UNITS + 1)])
def test_parts_are_the_events_that_they_say(content: bytes) -> None:
    read = read_here(content, reading())
    parts = count_of(read, full=True).to_parts("c1")
    events = [decode_event(part.TYPE, part.to_body()) for part in parts]
    assert [event.to_body() for event in events] == [part.to_body() for part in parts]
    assert [(part.key, part.subject) for part in parts] == [("nagqu", "nagqu")] * 2
    first, last = events
    assert isinstance(first, StockCounted)
    assert isinstance(last, StockCounted)
    assert (len(first.units), len(last.units)) == (PART_UNITS, 1)
    assert last.part is not None
    assert (last.part.part_no, last.part.parts, last.part.units) == (2, 2, PART_UNITS + 1)


async def test_a_process_apart_reads_the_same() -> None:
    raw = file_of(6000, bad="x,y,?,A+,200ml,2025-01-02,2025-02-05")
    assert len(raw) > APART_BYTES
    apart = await read_count(raw, reading(partial=True))
    here = read_here(raw, reading(partial=True))
    assert apart.parts == here.parts
    assert list(apart.unit_ids) == list(here.unit_ids)
    assert [tuple(place) for place in apart.places] == list(here.places)
    assert list(apart.errors) == list(here.errors)
    assert (apart.errors_in_all, apart.refused_rows) == (1, 1)
    found = apart.find_counted("W5999")
    assert found is not None
    assert tuple(found[0]) == ("", 6001)
    assert found[1]["unit"]["donation_id"] == "D5999"
    assert apart.find_counted("none") is None


async def test_f43_a_process_apart_knows_the_words_of_the_station() -> None:
    words = NO_WORDS.with_call("units", ("血源号=donation_id",), ())
    raw = file_of(6000).replace("献血码".encode(), "血源号".encode())
    apart = await read_count(raw, replace(reading(), words=words))
    assert not apart.errors
    assert apart.list_products() == [
        {"name": "悬浮红细胞", "component": "red_cells", "treatments": [], "units": 6000}
    ]
    assert apart.without(["W0"]).list_products()[0]["units"] == 5999
    unknown = await read_count(raw, reading())
    assert [error.code for error in unknown.errors] == ["column_unclear"]


async def test_f77_a_process_apart_tells_one_fault_of_many_rows() -> None:
    read = await read_count(file_of(6000), replace(reading(), attestation=None))
    (error,) = read.errors
    assert (error.rows, error.spans, read.errors_in_all) == (6000, ((2, 6001),), 6000)


async def test_a_process_apart_tells_why_it_cannot_read() -> None:
    for content_type, raw, code in (
        ("text/csv; charset=ascii", file_of(6000), "charset_unknown"),
        ("image/png", b"x" * (APART_BYTES + 1), "media_type_unknown"),
        ("application/json", b"[" + b" " * APART_BYTES + b"]", "units_not_listed"),
        ("application/json", b"{" + b" " * APART_BYTES, "body_not_json"),
    ):
        with pytest.raises(ContractError, match=code):
            await read_count(raw, reading(content_type))


def test_a_key_names_a_count_and_else_its_content_and_moment() -> None:
    count = count_of(read_here(file_of(1), reading()))
    assert count.to_count_id(None) == count.to_count_id(None)
    assert count.to_count_id("k") != count.to_count_id(None)
    later = Count(
        station_id="nagqu",
        counted_at=NOW + timedelta(minutes=1),
        full=False,
        file_digest="f",
        read=count.read,
    )
    assert later.to_count_id(None) != count.to_count_id(None)
    assert later.to_count_id("k") == count.to_count_id("k")


def plan_of(digest: str, **outcomes: int) -> CountPlan:
    return CountPlan(outcomes=outcomes, digest=digest, loud=(), missing_reserved=0)


def test_a_preview_holds_only_for_its_file_and_its_meaning() -> None:
    count = count_of(read_here(file_of(1), reading()))
    text = PreviewToken.of(count, plan_of("p", new=2)).to_text()
    token = PreviewToken.parse(text, file_digest="f")
    assert token.counted_at == NOW
    _ensure_as_previewed(token, plan_of("p", new=2))
    with pytest.raises(ContractError, match="preview_file_changed"):
        PreviewToken.parse(text, file_digest="g")
    with pytest.raises(DomainRefusal, match="new 2 → 1") as caught:
        _ensure_as_previewed(token, plan_of("q", new=1, confirmed=1))
    assert caught.value.code == "preview_stock_changed"
    with pytest.raises(DomainRefusal, match="other units"):
        _ensure_as_previewed(token, plan_of("q", new=2))
    for nonsense in ("", "x", "bm9uc2Vuc2U", "WzEsMl0"):
        with pytest.raises(ContractError, match="preview_file_changed"):
            PreviewToken.parse(nonsense, file_digest="f")


def test_reads_are_kept_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    at = 0.0
    kept = KeptReads(monotonic=lambda: at)
    read = read_here(file_of(1), reading())
    kept.keep("f", read)
    assert kept.take("f") is read
    assert kept.take("f") is None, "it is sent once"
    kept.keep("f", read)
    at = 601.0
    assert kept.take("f") is None
    monkeypatch.setattr("gateway.files.count_files.KEPT_BYTES", len(read.parts[0]))
    kept.keep("f", read)
    kept.keep("g", read)
    assert kept.take("f") is None
    assert kept.take("g") is read
