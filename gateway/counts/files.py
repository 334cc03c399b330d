"""Reads a station's file into the parts of a count, here or in a process of its own.

A large file keeps the interpreter busy for seconds, and an urgent request must not wait for it: a
separate process reads it and ends. It returns the JSON of each part, ready to be sent.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta, timezone
from email.message import Message
from functools import cached_property
from typing import Any

import orjson
from pydantic import ValidationError

from gateway.files.imports import Releasing, parse_units, parse_units_json
from gateway.files.own_words import NO_WORDS, OwnWords
from gateway.files.products import NamedProduct
from gateway.files.row_errors import group_errors
from gateway.files.sheets import Sheet, decode_file, open_csv, open_workbook
from gateway.files.tables import Parsed, RowError
from models.errors import ContractError, TransientError
from models.events.stock import PART_UNITS, Attestation, CountedUnit, encode_units
from models.strict_json import load_strictly

APART_BYTES = 250_000
"""A larger file is read in a separate process. This size is about 2,500 units, read in 0.1 s."""

READ_LIMIT_S = 90.0
MOST_ERRORS = 500
"""Most faults that are reported one by one; further ones usually have the same causes."""

CSV = "text/csv"
JSON = "application/json"
WORKBOOKS = frozenset(
    {
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "application/vnd.ms-excel",
        "application/vnd.oasis.opendocument.spreadsheet",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How a file is read.

    Attributes:
        content_type: The content type that the sender states; it may name a charset.
        zone_s: Seconds east of UTC, for times that have no zone.
        partial: Keep the good rows beside the errors of the others.
        now: No release may lie after it.
        attested: Who released the rows that name nobody, and when; a JSON file may state it too.
        words: The station's own words, with those of the call.
    """

    station_id: str
    content_type: str
    zone_s: int
    partial: bool
    now: datetime
    attested: Mapping[str, str] | None = None
    words: OwnWords = NO_WORDS

    def to_releasing(self, own: Mapping[str, Any] | None = None) -> Releasing:
        """Return the rule by which rows are judged that are counted as released.

        Args:
            own: The fields of a JSON file; an incomplete attestation in it counts as none here, and
                is refused when the options of the call are read.
        """
        told = {name: own[name] for name in ("released_by", "released_at") if own and name in own}
        try:
            attestation = Attestation.model_validate(told or self.attested)
        except ValidationError:
            attestation = None
        return Releasing(attestation=attestation, now=self.now)


@dataclass(frozen=True, kw_only=True)
class CountRead:
    """What a file holds.

    Attributes:
        parts: JSON arrays of counted units, `PART_UNITS` in each but the last.
        unit_ids: The identifiers of all units, in order.
        places: The sheet and row of each unit.
        products: The product names in the file, and what each was understood to be.
        product_of: The index in `products` of each unit's product.
        errors: The first errors; the same fault of several rows is one error.
        rest: The other fields of a JSON file.
    """

    parts: Sequence[bytes]
    unit_ids: Sequence[str]
    places: Sequence[tuple[str, int]]
    products: Sequence[Mapping[str, Any]]
    product_of: Sequence[int]
    errors: Sequence[RowError]
    errors_in_all: int
    refused_rows: int
    left_out: Sequence[str]
    rest: Mapping[str, Any]

    @cached_property
    def _at(self) -> Mapping[str, int]:
        return {unit_id: at for at, unit_id in enumerate(self.unit_ids)}

    def find_counted(self, unit_id: str) -> tuple[tuple[str, int], dict[str, Any]] | None:
        """Return the sheet and row of a unit in the file, and the unit as the file has it."""
        at = self._at.get(unit_id)
        if at is None:
            return None
        part = orjson.loads(self.parts[at // PART_UNITS])
        return self.places[at], part[at % PART_UNITS]

    def without(self, unit_ids: Collection[str]) -> CountRead:
        """Return the same without some units."""
        left_out = frozenset(unit_ids)
        if not left_out:
            return self
        kept = [at for at, unit_id in enumerate(self.unit_ids) if unit_id not in left_out]
        rows = [row for part in self.parts for row in orjson.loads(part)]
        return replace(
            self,
            parts=[
                orjson.dumps([rows[at] for at in kept[start : start + PART_UNITS]])
                for start in range(0, len(kept), PART_UNITS)
            ],
            unit_ids=[self.unit_ids[at] for at in kept],
            places=[self.places[at] for at in kept],
            product_of=[self.product_of[at] for at in kept],
        )

    def list_products(self) -> list[dict[str, Any]]:
        """List each product name, what it was understood to be, and how many units have it."""
        units = Counter(self.product_of)
        return [
            {**product, "units": units[number]}
            for number, product in enumerate(self.products)
            if units[number]
        ]


async def read_count(raw: bytes, reading: Reading) -> CountRead:
    """Read a file; a large file is read in a process of its own.

    Raises:
        ContractError: It cannot be read at all: `media_type_unknown`, `charset_unknown`,
            `workbook_unreadable`, `no_table_found`, `body_not_json`, `field_twice`.
        TransientError: `file_reader_ended`: the process ended without an answer.
    """
    if len(raw) <= APART_BYTES:
        return await asyncio.to_thread(read_here, raw, reading)
    head = orjson.dumps(asdict(reading), default=_to_plain)
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gateway.counts.files",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(READ_LIMIT_S):
            answer, _ = await child.communicate(_frame(head, raw))
    except TimeoutError:
        raise TransientError("file_reader_ended", detail=f"{READ_LIMIT_S} s") from None
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if child.returncode:
        raise TransientError("file_reader_ended", detail=f"exit code {child.returncode}")
    return _from_frame(answer)


def read_here(raw: bytes, reading: Reading) -> CountRead:
    """Read a file in this process. Raises as `read_count` does."""
    parsed, rest = _parse(raw, reading)
    units = parsed.values
    numbers: dict[object, int] = {}
    product_of = [numbers.setdefault(name, len(numbers)) for name in parsed.named]
    return CountRead(
        parts=[
            encode_units(units[start : start + PART_UNITS])
            for start in range(0, len(units), PART_UNITS)
        ],
        unit_ids=[counted.unit.unit_id for counted in units],
        places=parsed.places,
        products=[_render_product(name) for name in numbers],
        product_of=product_of,
        errors=group_errors(parsed.errors)[:MOST_ERRORS],
        errors_in_all=len(parsed.errors),
        refused_rows=parsed.refused_rows,
        left_out=parsed.left_out,
        rest=rest,
    )


def _parse(raw: bytes, reading: Reading) -> tuple[Parsed[CountedUnit], Mapping[str, Any]]:
    head = Message()
    head["content-type"] = reading.content_type
    kind, charset = head.get_content_type(), head.get_param("charset")
    if kind == CSV:
        text = decode_file(raw, charset=str(charset) if charset else None)
        return _parse_sheets(open_csv(text), reading), {}
    if kind in WORKBOOKS:
        parsed = _parse_sheets(open_workbook(raw), reading)
        if parsed.left_out and [error.code for error in parsed.errors] == ["file_empty"]:
            raise ContractError("no_table_found")
        return parsed, {}
    if kind == JSON:
        return _parse_json(raw, reading)
    known = ", ".join([CSV, JSON, *sorted(WORKBOOKS)])
    raise ContractError("media_type_unknown", found=kind[:60], known=known)


def _parse_sheets(sheets: Sequence[Sheet], reading: Reading) -> Parsed[CountedUnit]:
    return parse_units(
        sheets,
        station_id=reading.station_id,
        releasing=reading.to_releasing(),
        zone=timezone(timedelta(seconds=reading.zone_s)),
        partial=reading.partial,
        own=reading.words,
    )


def _parse_json(raw: bytes, reading: Reading) -> tuple[Parsed[CountedUnit], Mapping[str, Any]]:
    content = load_strictly(raw)
    rows = content.pop("units", None) if isinstance(content, dict) else None
    if not isinstance(rows, list):
        raise ContractError("units_not_listed")
    parsed = parse_units_json(
        rows,
        station_id=reading.station_id,
        releasing=reading.to_releasing(content),
        partial=reading.partial,
        own=reading.words,
    )
    return parsed, content


def _render_product(named: object) -> dict[str, Any]:
    if isinstance(named, NamedProduct):
        treatments = list(named.treatments)
        return {"name": named.name, "component": named.component, "treatments": treatments}
    return {"name": str(named), "component": str(named), "treatments": []}


def _to_plain(value: object) -> object:
    if isinstance(value, OwnWords):
        return value.model_dump()
    raise TypeError(type(value).__name__)


def _frame(head: bytes, *blocks: bytes) -> bytes:
    return b"".join([len(head).to_bytes(8), head, *blocks])


def _to_frame(found: CountRead) -> bytes:
    head = {
        "lengths": [len(part) for part in found.parts],
        "unit_ids": found.unit_ids,
        "places": found.places,
        "products": found.products,
        "product_of": found.product_of,
        "errors": [asdict(error) for error in found.errors],
        "errors_in_all": found.errors_in_all,
        "refused_rows": found.refused_rows,
        "left_out": found.left_out,
        "rest": found.rest,
    }
    return _frame(orjson.dumps(head), *found.parts)


def _from_frame(answer: bytes) -> CountRead:
    size = int.from_bytes(answer[:8])
    head = orjson.loads(answer[8 : 8 + size])
    if "failed" in head:
        raise ContractError(head["failed"], **head["params"])
    parts, at = [], 8 + size
    for length in head.pop("lengths"):
        parts.append(answer[at : at + length])
        at += length
    errors = [_to_error(error) for error in head.pop("errors")]
    return CountRead(parts=parts, errors=errors, **head)


def _to_error(told: dict[str, Any]) -> RowError:
    spans = tuple((first, last) for first, last in told["spans"])
    return RowError(**{**told, "found": tuple(told["found"]), "spans": spans})


def main() -> None:
    """Run the separate process: read a frame, write a frame, and end."""
    import gc  # noqa: PLC0415 - only here: nothing is kept long enough to be worth collecting

    gc.disable()
    taken = sys.stdin.buffer.read()
    size = int.from_bytes(taken[:8])
    fields = orjson.loads(taken[8 : 8 + size])
    told = {
        "words": OwnWords.model_validate(fields["words"]),
        "now": datetime.fromisoformat(fields["now"]),
    }
    reading = Reading(**{**fields, **told})
    try:
        answer = _to_frame(read_here(taken[8 + size :], reading))
    except ContractError as error:
        answer = _frame(orjson.dumps({"failed": error.code, "params": dict(error.params)}))
    sys.stdout.buffer.write(answer)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
