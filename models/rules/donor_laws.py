"""Laws on donors: which hold in a region, and the rulebook that follows from them.

Pure. A law is a file: those of the package stand in `models/rules/laws`, a station may add one of
its own. A law may loosen what the country's law says, since it is law; a station by itself may not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from datetime import date
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

from pydantic import Field, ValidationError

from models.base import Line, Value
from models.errors import DomainRefusal
from models.rules.citations import Reading
from models.rules.rulebook import PACKAGED, Rulebook, build_rulebook
from models.rules.types.donors import AgeSpan, DonorLaw, Interval
from models.station_toml import load_station_toml
from models.texts.validation import describe_broken

COUNTRY = "CN"
MAX_BYTES = 20_000
"""The most bytes of a station's law file."""


class Law(Value):
    """One law, as its file has it.

    Attributes:
        region: The country, or the country and its part, such as `CN-HI`.
        since: The day on which it came into force; None for a draft, which nothing follows.
        until: The first day on which it no longer holds.
        interval: The least time between two donations of whole blood; None where nothing was read.
        age: The ages of donors; None where nothing was read.
        approved_by: Who answers for a station's own file.
    """

    law: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    region: str = Field(pattern=r"^[A-Z]{2}(-[A-Z0-9]{2,3})?$")
    zh: str = Field(min_length=1)
    en: str = Field(min_length=1)
    source: str = Field(min_length=10)
    read: Reading
    since: date | None = None
    until: date | None = None
    note: str = ""
    interval: Interval | None = None
    age: AgeSpan | None = None
    approved_by: Line = ""

    def as_donor_law(self) -> DonorLaw:
        since = self.since or date.max
        return DonorLaw(
            law=self.law, since=since, until=self.until, interval=self.interval, age=self.age
        )


@cache
def list_packaged_laws() -> tuple[Law, ...]:
    """List the laws of the package by region, drafts too."""
    folder = files("models.rules.laws")
    found = [
        Law.model_validate(load_station_toml(path.read_bytes()))
        for path in folder.iterdir()
        if path.name.endswith(".toml")
    ]
    return tuple(sorted(found, key=lambda law: (law.region, law.law)))


def read_law(content: bytes) -> Law:
    """Read a station's own law file.

    Raises:
        ContractError: It is no TOML.
        DomainRefusal: `law_file_too_long`, `law_file_wrong`: what it says is not of the form.
    """
    if len(content) > MAX_BYTES:
        raise DomainRefusal("law_file_too_long", size=len(content), most=MAX_BYTES)
    try:
        law = Law.model_validate(load_station_toml(content))
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(map(str, fault["loc"])) or "interval"
        raise DomainRefusal("law_file_wrong", key=key, cause=str(describe_broken(fault))) from error
    for key in ("approved_by", "since"):
        if not getattr(law, key):
            raise DomainRefusal("law_file_lacks", key=key)
    return law


def choose_laws(region: str, *, own: Law | None = None) -> tuple[Law, ...]:
    """List the laws of a region that are in force or will be, the strongest last.

    Args:
        region: As a law names it.
        own: A station's own law file, stronger than all of the package.

    Raises:
        DomainRefusal: `law_region_unknown`: no law of the package, nor the station's own, is of it.
    """
    known = {COUNTRY, *(law.region for law in list_packaged_laws()), *([own.region] if own else [])}
    if region not in known:
        raise DomainRefusal("law_region_unknown", region=region, known=", ".join(sorted(known)))
    found = [law for law in list_packaged_laws() if law.since and law.region in {COUNTRY, region}]
    found.sort(key=lambda law: (law.region != COUNTRY, law.since or date.max))
    return (*found, *([own] if own else []))


def apply_laws(laws: Sequence[Law], *, packaged: Rulebook = PACKAGED) -> Rulebook:
    """Return the rulebook of a region; without a law beside the country's own, the package's.

    Its version names the laws by a digest, so that every decision tells which laws it followed.
    """
    if not laws:
        return packaged
    told = "\n".join(law.model_dump_json() for law in laws)
    version = f"{packaged.version}+{sha256(told.encode()).hexdigest()[:8]}"
    documents = {name: deepcopy(dict(document)) for name, document in packaged.documents.items()}
    for document in documents.values():
        document["version"] = version
    donors = documents["donors"]
    donors["laws"] = [
        _build_national(packaged).model_dump(exclude_none=True),
        *(law.as_donor_law().model_dump(exclude_none=True) for law in laws),
    ]
    for name, part in (("whole_blood_interval", "interval"), ("age", "age")):
        last = _find_last(laws, part)
        if last is not None:
            donors[name] = _cite(donors[name], last, getattr(last, part))
    return build_rulebook(documents)


def _build_national(packaged: Rulebook) -> DonorLaw:
    """Build the values of the package, which hold wherever no law of the region does."""
    rules = packaged.donors
    interval, age = rules.whole_blood_interval, rules.age
    return DonorLaw(
        law="cn-1998",
        since=date.min,
        interval=Interval.model_validate(interval.model_dump(include=set(Interval.model_fields))),
        age=AgeSpan.model_validate(age.model_dump(include=set(AgeSpan.model_fields))),
    )


def _find_last(laws: Sequence[Law], part: str) -> Law | None:
    """Return the law whose word on a matter holds in the end."""
    told = [law for law in laws if getattr(law, part) and law.until is None]
    return told[-1] if told else None


_UNITS = {"months": "month", "female_months": "month", "days": "day", "female_days": "day"}


_NAMES = {
    "donor.interval.whole_blood": ("两次献全血的间隔", "Interval of whole-blood donations"),
    "donor.age": ("献血年龄", "Age of a donor"),
}
_NOTE = "The law of the station's region; on days before it came into force the former law holds"


def _cite(table: Mapping[str, Any], law: Law, told: Value) -> dict[str, Any]:
    """Return a rule's table with the values of a law and its citation."""
    values = told.model_dump(exclude_none=True)
    terms = {name: table["terms"].get(name) or {"unit": _UNITS[name]} for name in values}
    zh, en = _NAMES[table["rule"]]
    return {
        "rule": table["rule"],
        "kind": table["kind"],
        "zh": f"{zh}（{law.zh}）",
        "en": f"{en} ({law.en})",
        "source": f"{law.zh} ({law.law}, {law.region}): {law.source}",
        "read": law.read.value,
        "since": str(law.since),
        "note": law.note or _NOTE,
        "confirm": [] if law.read is Reading.READ else list(values),
        "terms": terms,
        **values,
    }
