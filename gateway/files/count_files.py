"""Reads a station's file into the parts of a count: the JSON of each part, ready to be sent.

It is the one door to the files of counts. A large file keeps the interpreter busy for seconds, and
an urgent request must not wait for it: a separate process reads it and ends. What a preview read is
kept for a while, so that the file is not read again when the count is sent.
"""

from __future__ import annotations

import asyncio
import pickle
import sys
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import cached_property
from typing import Any

import orjson
from pydantic import ValidationError

from gateway.files.products import NamedProduct
from gateway.files.row_errors import group_errors
from gateway.files.sheets import open_file
from gateway.files.station_files import StationFiles
from gateway.files.station_words import NO_WORDS, OwnWords
from gateway.files.stock_imports import ReleaseTerms, parse_units, parse_units_json
from gateway.files.table_values import Parsed, RowError, ensure_table
from models.errors import ContractError, TransientError
from models.events.stock import PART_UNITS, Attestation, CountedUnit, encode_units
from models.strict_json import load_strictly

MOST_ERRORS = 500
"""Most faults that are reported one by one; further ones usually have the same causes."""

APART_BYTES = 250_000
"""A larger file is read in a separate process. This size is about 2,500 units, read in 0.1 s."""

READ_LIMIT_S = 90.0

KEPT_S = 600.0
"""How long a preview's reading is kept: within this time a person decides whether to send it."""

KEPT_BYTES = 120_000_000
"""Enough for two files of 100,000 units."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """How a file is read.

    Attributes:
        content_type: The content type that the sender states; it may name a charset.
        zone: The zone of times that have none.
        partial: Keep the good rows beside the errors of the others.
        now: No release may lie after it.
        attestation: Who released the rows that name nobody, and when; a JSON file may state it too.
        words: The station's own words, with those of the call.
    """

    station_id: str
    content_type: str
    zone: timezone
    partial: bool
    now: datetime
    attestation: Attestation | None = None
    words: OwnWords = NO_WORDS

    def to_releasing(self, own: Mapping[str, Any] | None = None) -> ReleaseTerms:
        """Return the rule by which rows are judged that are counted as released.

        Args:
            own: The fields of a JSON file; an incomplete attestation in it counts as none here, and
                is refused when the options of the call are read.
        """
        told = {name: own[name] for name in ("released_by", "released_at") if own and name in own}
        attestation = self.attestation
        if told:
            try:
                attestation = Attestation.model_validate(told)
            except ValidationError:
                attestation = None
        return ReleaseTerms(attestation=attestation, now=self.now)


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


class KeptReads:
    """The files that were last read for a preview; kept in this process, up to `KEPT_BYTES`."""

    def __init__(self, *, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._kept: OrderedDict[str, tuple[float, CountRead]] = OrderedDict()

    def keep(self, file_digest: str, read: CountRead) -> None:
        self._kept[file_digest] = (self._monotonic(), read)
        self._kept.move_to_end(file_digest)
        while self._kept and self._bytes() > KEPT_BYTES:
            self._kept.popitem(last=False)

    def take(self, file_digest: str) -> CountRead | None:
        """Return what was read of a file, and remove it from the memory."""
        at, read = self._kept.pop(file_digest, (0.0, None))
        return read if read is not None and self._monotonic() - at <= KEPT_S else None

    def _bytes(self) -> int:
        return sum(len(part) for _, read in self._kept.values() for part in read.parts)


async def settle_words(
    files: StationFiles[OwnWords], station_id: str, *, maps: Sequence[str], ignore: Sequence[str]
) -> OwnWords:
    """Return the station's own words as they are now, with those of a call.

    Raises:
        ContractError: As `OwnWords.with_call` does.
        DomainRefusal: `columns_invalid`.
    """
    own = await files.find(station_id) or NO_WORDS
    return own.with_call("units", maps, ignore)


async def read_count(raw: bytes, options: ReadOptions) -> CountRead:
    """Read a file.

    Raises:
        ContractError: It cannot be read at all: `media_type_unknown`, `charset_unknown`,
            `workbook_unreadable`, `no_table_found`, `body_not_json`, `field_twice`.
        TransientError: `file_reader_ended`: the process ended without an answer.
    """
    if len(raw) <= APART_BYTES:
        return await asyncio.to_thread(read_here, raw, options)
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        # Not by `-m`: what it pickles must not be of the module `__main__`.
        "from gateway.files.count_files import main; main()",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(READ_LIMIT_S):
            answer, _ = await child.communicate(pickle.dumps((raw, options)))
    except TimeoutError:
        raise TransientError("file_reader_ended", detail=f"{READ_LIMIT_S} s") from None
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if child.returncode:
        raise TransientError("file_reader_ended", detail=f"exit code {child.returncode}")
    found = pickle.loads(answer)  # noqa: S301 - written by `main`
    if isinstance(found, CountRead):
        return found
    code, params = found
    raise ContractError(code, **params)


def read_here(raw: bytes, options: ReadOptions) -> CountRead:
    """Read a file in this process; raises as `read_count` does."""
    parsed, rest = _parse(raw, options)
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


def _parse(raw: bytes, options: ReadOptions) -> tuple[Parsed[CountedUnit], Mapping[str, Any]]:
    sheets = open_file(raw, options.content_type)
    if sheets is None:
        return _parse_json(raw, options)
    parsed = parse_units(
        sheets,
        station_id=options.station_id,
        releasing=options.to_releasing(),
        zone=options.zone,
        partial=options.partial,
        own=options.words,
    )
    return ensure_table(parsed), {}


def _parse_json(raw: bytes, options: ReadOptions) -> tuple[Parsed[CountedUnit], Mapping[str, Any]]:
    content = load_strictly(raw)
    rows = content.pop("units", None) if isinstance(content, dict) else None
    if not isinstance(rows, list):
        raise ContractError("units_not_listed")
    parsed = parse_units_json(
        rows,
        station_id=options.station_id,
        releasing=options.to_releasing(content),
        partial=options.partial,
        own=options.words,
    )
    return parsed, content


def _render_product(named: object) -> dict[str, Any]:
    if isinstance(named, NamedProduct):
        treatments = list(named.treatments)
        return {"name": named.name, "component": named.component, "treatments": treatments}
    return {"name": str(named), "component": str(named), "treatments": []}


def main() -> None:
    """Run the separate process: read a file, write what it holds, and end."""
    import gc  # noqa: PLC0415 - only here: nothing is kept long enough to be worth collecting

    gc.disable()
    raw, options = pickle.load(sys.stdin.buffer)  # noqa: S301 - written by `read_count`
    answer: object
    try:
        answer = read_here(raw, options)
    except ContractError as error:
        answer = error.code, dict(error.params)
    pickle.dump(answer, sys.stdout.buffer)
    sys.stdout.buffer.flush()
