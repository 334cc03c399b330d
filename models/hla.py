"""HLA types in one form, and whether two of them are the same as far as both say. Pure data.

A type is written as an antigen (`A2`, `B60`, `Cw3`) or as an allele (`A*02:01`). `hla.toml` says
which antigens are splits of which, and what antigen an allele is.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Annotated, Any

from pydantic import StringConstraints

from models.antigens import KeptName, reads_name
from models.base import AsSet
from models.broken_rule import BrokenRuleError

MATCHED_LOCI = frozenset({"A", "B"})
"""The loci whose antigens are counted between a donor of platelets and a patient."""

ON_PLATELETS = frozenset({"A", "B", "C"})
"""The loci whose antigens platelets carry: class I. Antibodies against others do not count."""

_GENES = {"A": "A", "B": "B", "C": "C", "CW": "C", "DRB1": "DR", "DQB1": "DQ"}
_SEROLOGY = re.compile(r"(A|B|CW?|DR|DQ)(\d{1,4})", flags=re.IGNORECASE)
_ALLELE = re.compile(
    r"(A|B|C|CW|DRB1|DQB1)\*(\d{2,3})(?::?(\d{2,3})(?::\d{2,3}){0,2})?([NLQSCA])?",
    flags=re.IGNORECASE,
)
_AROUND = re.compile(r"^(?:抗|anti)?-?(?:HLA)?-?|[\s()]", flags=re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class HlaName:
    """What a type says.

    Attributes:
        locus: `A`, `B`, `C`, `DR` or `DQ`.
        family: The first field of an allele, as `02`; None for an antigen.
        allele: Its first two fields, as `02:01`; None if it does not say both.
        antigens: The antigen as precisely as the type says it, and every broader one that it is a
            split of, by their numbers; empty where no antigen is known for an allele.
        is_expressed: Whether the cell carries it: a null allele (`A*24:09N`) gives no antigen.
    """

    locus: str
    family: str | None
    allele: str | None
    antigens: tuple[int, ...]
    is_expressed: bool = True


@cache
def _read() -> Mapping[str, Any]:
    raw = files("models").joinpath("hla.toml").read_text(encoding="utf-8")
    return tomllib.loads(raw)


@cache
def _list_broader(locus: str, number: int) -> tuple[int, ...]:
    """List an antigen and the broader ones that it is a split of, the narrowest first."""
    for broad, splits in _read()[locus]["splits"].items():
        if number in splits:
            return (number, *_list_broader(locus, int(broad)))
    return (number,)


@lru_cache(maxsize=4096)
def write_hla(text: str) -> str:
    """Return the one written form of a type: `A2`, `Cw3`, `A*02`, `A*02:01`.

    The third and fourth field of an allele do not change its protein and are left out.

    Raises:
        BrokenRuleError: `hla_unknown`.
    """
    plain = _AROUND.sub("", text)
    found = _ALLELE.fullmatch(plain)
    if found is not None:
        gene = "C" if found[1].upper() == "CW" else found[1].upper()
        fields = f"{found[2]}:{found[3]}" if found[3] else found[2]
        return f"{gene}*{fields}{(found[4] or '').upper()}"
    found = _SEROLOGY.fullmatch(plain)
    if found is not None:
        locus = "C" if found[1].upper() in {"C", "CW"} else found[1].upper()
        number = int(found[2])
        if number in _read()[locus]["antigens"]:
            return f"{'Cw' if locus == 'C' else locus}{number}"
    raise BrokenRuleError("hla_unknown", "hla")


@lru_cache(maxsize=4096)
def read_hla(name: str) -> HlaName | None:
    """Return what a written form says; None for a name of an old row that is no type."""
    if isinstance(name, KeptName):
        return None
    allele = _ALLELE.fullmatch(name)
    if allele is None:
        found = _SEROLOGY.fullmatch(name)
        if found is None:
            return None
        locus = "C" if found[1].upper() == "CW" else found[1]
        return HlaName(
            locus=locus, family=None, allele=None, antigens=_list_broader(locus, int(found[2]))
        )
    locus = _GENES[allele[1]]
    fields = f"{allele[2]}:{allele[3]}" if allele[3] else None
    return HlaName(
        locus=locus,
        family=allele[2],
        allele=fields,
        antigens=_list_of_allele(locus, allele[2], fields),
        is_expressed=allele[4] != "N",
    )


def _list_of_allele(locus: str, first: str, fields: str | None) -> tuple[int, ...]:
    known = _read()[locus]
    number = known["alleles"].get(fields, int(first))
    # B*15 says neither 15 nor 70, and an allele that the table lacks is of no known antigen.
    is_unclear = number in known.get("unclear", ()) and number == int(first)
    if number not in known["antigens"] or is_unclear:
        return ()
    return _list_broader(locus, number)


def is_same(one: HlaName, other: HlaName) -> bool:
    """Return whether two types are the same at the finest level that both state.

    Two alleles are compared as alleles, or by the first field where one says no more; an allele
    and an antigen as antigens; a split and its broad antigen as the broad one. Where no antigen is
    known for an allele, its locus is all that both state, and they are not the same.
    """
    if one.locus != other.locus:
        return False
    if one.allele and other.allele:
        return one.allele == other.allele
    if one.family and other.family:
        return one.family == other.family
    return bool(one.antigens and other.antigens) and (
        one.antigens[0] in other.antigens or other.antigens[0] in one.antigens
    )


def list_foreign(donor: Iterable[str], own: Iterable[str]) -> list[str]:
    """List the donor's types, of the loci that are matched, that the patient lacks."""
    mine = [told for name in own if (told := read_hla(name)) is not None]
    return [
        name
        for name in sorted(donor)
        if (told := read_hla(name)) is None
        or (
            told.locus in MATCHED_LOCI
            and told.is_expressed
            and not any(is_same(told, own_type) for own_type in mine)
        )
    ]


def list_hit(donor: Iterable[str], antibodies: Iterable[str]) -> list[str]:
    """List the donor's types that the patient's antibodies hit, or may hit."""
    against = [told for name in antibodies if (told := read_hla(name)) is not None]
    return [
        name
        for name in sorted(donor)
        if (told := read_hla(name)) is None
        or (told.is_expressed and any(_may_hit(told, antibody) for antibody in against))
    ]


def _may_hit(told: HlaName, antibody: HlaName) -> bool:
    if told.locus != antibody.locus or told.locus not in ON_PLATELETS:
        return False
    # Of an allele whose antigen is unknown nobody can say that the antibody passes it by.
    return not told.antigens or not antibody.antigens or is_same(told, antibody)


def list_loci(names: Iterable[str]) -> frozenset[str]:
    """List the loci that were typed."""
    return frozenset(told.locus for name in names if (told := read_hla(name)) is not None)


_Name = Annotated[str, StringConstraints(min_length=1, max_length=30)]

HlaType = Annotated[_Name, reads_name(write_hla)]
"""An HLA type in its one written form, such as `A*02:01` or `B7`."""

HlaTypes = Annotated[tuple[HlaType, ...], AsSet]
