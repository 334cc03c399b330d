"""The base class of all values, and the types of their fields, such as instants and identifiers."""

from __future__ import annotations

from datetime import UTC, date, datetime
from hashlib import sha1
from typing import Annotated, Any, Self, TypeVar
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    StringConstraints,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from models.written_instants import WrittenMomentError, read_day, read_instant

# The root of every derived identifier. The same inputs give the same identifier, so a retried
# transaction writes the same rows and a replayed event changes nothing.
_NAMESPACE = UUID("6f5a7c2e-3b0d-5e0a-9d43-8d2f1c6b7a10").bytes


def _to_instant(value: object) -> datetime:
    # Text is tried first: nearly every value that is validated came as JSON.
    if value.__class__ is str:
        try:
            at = read_instant(value)
        except WrittenMomentError as error:
            raise PydanticCustomError(error.code, error.told) from None
    elif isinstance(value, datetime):
        at = value
    else:
        raise PydanticCustomError("instant_not_text", "must be text with a date, a time and a zone")
    if at.tzinfo is None:
        raise PydanticCustomError("instant_without_zone", "must tell its time zone")
    if at.tzinfo is UTC:
        return at
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise PydanticCustomError("instant_unreadable", "must be an instant in use") from None


def _to_day(value: object) -> date:
    if isinstance(value, str):
        try:
            return read_day(value)
        except WrittenMomentError as error:
            raise PydanticCustomError(error.code, error.told) from None
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    raise PydanticCustomError("day_not_text", "must be text such as 1990-05-31")


Instant = Annotated[datetime, BeforeValidator(_to_instant)]
"""An aware instant, kept in UTC. Text must state a date, a time and a zone: a time zone is never
guessed, and digits alone are never read as seconds since 1970."""

Day = Annotated[date, BeforeValidator(_to_day)]
"""A calendar day, as text `1990-05-31`. Digits alone are never read as seconds or days."""

Identifier = Annotated[
    str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]*$")
]
"""A name that travels in keys, paths and headers: ASCII letters, digits and `. _ : -`, 1 to 64."""


NO_CODES = frozenset(
    ("NAN", "NA", "N.A.", "NULL", "NONE", "NIL", "TRUE", "FALSE", "UNDEFINED", "INF", "INFINITY")
)
"""Words that programs write for a missing value, in capitals; none of them is an identifier."""


def _refuse_no_code(text: str) -> str:
    if text in NO_CODES:
        raise ValueError(text)
    return text


BAG_ID_PATTERN = (
    r"^(?:[A-Za-z][A-Za-z0-9._:-]*"  # a letter first, or
    r"|[0-9]+"  # digits alone, or
    # digits and a character that occurs in no number, or
    r"|[0-9][0-9.]*[A-DF-Za-df-z_:-][A-Za-z0-9._:-]*"
    # digits and an E that does not begin an exponent.
    r"|[0-9][0-9.]*[Ee](?:-|-?(?:[0-9.]+[A-Za-z_:-]|[A-Za-z_:]|--)[A-Za-z0-9._:-]*)?)$"
)
"""The form of a bag's identifier, `NO_CODES` apart; PostgreSQL and Python read it alike."""


class _BagForm:
    """The form of a bag's identifier, reported as one broken rule whichever part is wrong."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # noqa: ANN401 - as pydantic calls it
        del source, handler
        text = core_schema.str_schema(
            strict=True, min_length=1, max_length=64, pattern=BAG_ID_PATTERN, to_upper=True
        )
        return core_schema.custom_error_schema(
            core_schema.no_info_after_validator_function(_refuse_no_code, text),
            custom_error_type="bag_id_invalid",
            custom_error_message=(
                "must be 1 to 64 letters, digits and . _ : -, no number with a point or an "
                "exponent, and no word such as nan or null"
            ),
        )


BagId = Annotated[str, _BagForm]
"""The identifier of a unit or a donation, in its one written form: capital letters.

Small letters are read as their capitals, so that one bag never has two identifiers. A number with a
point or an exponent is refused: a program wrote it, and what else it changed is unknown. A word for
a missing value (`NO_CODES`) is refused too: many bags would share it. Decision 0020 gives the
reasons, and says what becomes of identifiers that were written otherwise before.
"""

Line = Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\x00-\x1f]*$")]
"""One line of human text: no control characters, 500 characters at most."""


def to_spelling_key(bag_id: str) -> str:
    """Return the key that all spellings of one bag's identifier share.

    Small letters and capitals are the same, and leading zeros do not count: a spreadsheet, or a
    person who copies a label by hand, drops them.
    """
    return bag_id.upper().lstrip("0")


def _sorted_once(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(set(names))) if len(names) > 1 else names


AsSet = AfterValidator(_sorted_once)
"""Sorts a tuple of names and drops duplicates, so that equal values have equal bytes."""


LARGEST = 2_147_483_647
"""The largest whole number that a column of PostgreSQL's `integer` keeps: no field may take more.
A field whose meaning sets a tighter limit names that limit."""


V = TypeVar("V", bound="Value")


class Value(BaseModel):
    """An immutable value. Unknown fields are refused: a misspelt field loses an instruction."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    @classmethod
    def of_row(cls, body: object) -> Self:
        """Return a value as a row has it; names that no vocabulary has are kept (`KeptName`)."""
        return cls.model_validate(body, context={"stored": True})

    def but(self, **changes: object) -> Self:
        """Return a validated copy with the named fields changed."""
        return type(self).model_validate({**dict(self), **changes})


def change(current: V, given: V) -> V:
    """Return a value with the fields that another of its kind states; the other fields stay.

    Nested values are changed in the same way; any other stated field is replaced whole.

    Args:
        current: The value as it is.
        given: The change; only the fields that were set when it was made count.
    """
    changes: dict[str, object] = {}
    for name in given.model_fields_set:
        before, stated = getattr(current, name), getattr(given, name)
        is_nested = isinstance(before, Value) and isinstance(stated, Value)
        changes[name] = change(before, stated) if is_nested else stated
    return current.but(**changes)


def derive_id(*parts: object) -> str:
    """Derive a stable UUID (text) from its parts, in order.

    Args:
        parts: What makes the entity unique; joined by a unit separator, so `("a", "bc")` and
            `("ab", "c")` differ.
    """
    name = "\x1f".join(map(str, parts)).encode()
    # This is `uuid.uuid5` without its objects: several identifiers are derived for each decision.
    digest = sha1(_NAMESPACE + name, usedforsecurity=False).digest()[:16]
    bits = int.from_bytes(digest) & ~(0xF << 76 | 0x3 << 62) | (5 << 76 | 0x2 << 62)
    text = f"{bits:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
