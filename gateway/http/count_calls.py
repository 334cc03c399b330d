"""Reads the count of a call: its options, its file, and the digest of both."""

from __future__ import annotations

import re
from datetime import timedelta, timezone
from hashlib import sha256

from pydantic import Field

from gateway.counts.count_files import ReadOptions
from gateway.counts.count_parts import Count
from gateway.counts.file_process import read_count
from gateway.counts.previews import PreviewToken
from gateway.files.station_words import NO_WORDS
from gateway.http.bodies import validate
from gateway.http.call_headers import HttpCall
from gateway.invalid_content import FieldError, InvalidContent
from gateway.runtime import Gateway
from gateway.station_files import get_own_words
from models.base import Instant, Line, Value
from models.errors import ContractError
from models.events.stock import Attestation
from models.possible_times import CLOCKS_APART
from models.texts import render
from models.texts.instants import BEIJING

_ZONE = re.compile(r"([+-])(\d{2}):?([0-5]\d)")


class AttestationFields(Value):
    """The fields of a call, or of a JSON count, that attest all of it.

    Attributes:
        released_by: The person who answers for the release of every released row that names nobody.
        released_at: When they were released, with the zone.
    """

    released_by: Line | None = Field(default=None, min_length=1)
    released_at: Instant | None = None

    def find_attestation(self) -> Attestation | None:
        """Return the attestation of the whole count; None if none is given.

        Raises:
            ContractError: `fields_invalid`: one of the two fields is missing.
        """
        if self.released_by is None and self.released_at is None:
            return None
        if self.released_by is None:
            raise _incomplete("released_by")
        if self.released_at is None:
            raise _incomplete("released_at")
        return Attestation(released_by=self.released_by, released_at=self.released_at)


class CountQuery(AttestationFields):
    """How a file is read.

    Attributes:
        full: The file names every unit on the shelf; a unit that it does not name is missing.
        partial: Take the good rows although others are wrong.
        preview: The digest of a preview: the count is sent only if file and stock are unchanged.
        zone: The zone of times in the file that have none.
        map: Headings of the file, each with its column: `献血号=donation_id`.
        ignore: Headings to pass over.
        released_by: Who released the released units whose row names nobody; with `released_at`.
    """

    counted_at: Instant | None = None
    full: bool = False
    partial: bool = False
    preview: str | None = None
    zone: str = "+08:00"
    map: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()


class CountOptions(AttestationFields):
    """What may stand beside the rows of a JSON count."""

    counted_at: Instant | None = None
    full: bool = False


async def read_call(
    gateway: Gateway,
    call: HttpCall,
    station_id: str,
    query: CountQuery,
    *,
    for_preview: bool = False,
) -> tuple[Count, PreviewToken | None]:
    """Read the count of a call, and the token of the preview under which it is sent, if any.

    A file that the preview read is not read again.

    Args:
        gateway: Keeps what a preview read, and the words of the station's own files.
        call: Its body is the file.
        station_id: The station whose count it is.
        query: How the file is read.
        for_preview: This is the preview itself, which keeps the good rows beside the errors.

    Raises:
        ContractError: The file or an option cannot be understood, or the file differs from the
            previewed one.
        TransientError: `file_reader_ended`.
    """
    zone = _parse_zone(query.zone)
    raw = await call.read_content()
    digest = sha256(raw)
    attestation = query.find_attestation()
    own = await get_own_words(gateway.station_words, station_id)
    words = own.with_call("units", query.map, query.ignore)
    options_told = (zone, query.full, query.partial, query.ignore, attestation)
    # Without own words the digest, and so the count's identifier, stays what it always was.
    told_words = [words.model_dump_json()] if words != NO_WORDS else []
    digest.update("\x1f".join(["", *map(repr, options_told), *told_words]).encode())
    file_digest = digest.hexdigest()
    token = kept = None
    if query.preview and not for_preview:
        token = PreviewToken.parse(query.preview, file_digest=file_digest)
        kept = gateway.kept_reads.take(file_digest)
    read = kept or await read_count(
        raw,
        ReadOptions(
            station_id=station_id,
            content_type=call.content_type,
            zone=zone,
            partial=query.partial or for_preview,
            now=call.now(),
            attestation=attestation,
            words=words,
        ),
    )
    options = validate(CountOptions, read.rest)
    full = query.full or options.full
    if full and query.partial:
        raise ContractError("count_partial_and_full")
    given = options.counted_at or query.counted_at or (token.counted_at if token else None)
    counted_at = call.settle_moment(given, field="counted_at")
    if counted_at > call.now() + CLOCKS_APART:
        raise ContractError("count_in_future", counted_at=counted_at.isoformat())
    count = Count(
        station_id=station_id,
        counted_at=counted_at,
        full=full,
        file_digest=file_digest,
        read=read,
        attestation=options.find_attestation() or attestation,
    )
    return count, token


def _incomplete(missing: str) -> InvalidContent:
    told = render("attestation_incomplete", {"missing": missing})
    return InvalidContent("fields_invalid", [FieldError(missing, str(told), told)])


def _parse_zone(text: str) -> timezone:
    if text == "+08:00":
        return BEIJING
    found = _ZONE.fullmatch(text)
    if found is None or int(found[2]) > 14:  # noqa: PLR2004 - no zone on earth is farther from UTC
        raise ContractError("zone_invalid", found=text[:20])
    offset = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return timezone(-offset if found[1] == "-" else offset)
