"""HLA types as the checker compares them: its own table, from the broadest antigen down.

Pure. Source: WMDA's tables of the HLA nomenclature, splits of broad antigens and antigens of the
common alleles.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

SPLITS = {
    "A": "9:23,24 10:25,26,34,66 19:29,30,31,32,33,74 28:68,69 2:203,210 24:2403",
    "B": "5:51,52 7:703 12:44,45 14:64,65 15:62,63,75,76,77 16:38,39 17:57,58 21:49,50,4005 "
    "22:54,55,56 27:2708 39:3901,3902 40:60,61 51:5102,5103 70:71,72",
    "C": "3:9,10",
}
ALLELES = {
    "A": "02:03=203 02:10=210 24:03=2403 24:10=2403",
    "B": "07:03=703 14:01=64 14:02=65 15:01=62 15:02=75 15:03=72 15:04=62 15:05=62 15:06=62 "
    "15:07=62 15:08=75 15:09=70 15:10=71 15:11=75 15:12=76 15:13=77 15:14=76 15:15=62 15:16=63 "
    "15:17=63 15:18=71 15:21=75 15:25=62 15:27=62 27:08=2708 39:01=3901 39:02=3902 40:01=60 "
    "40:02=61 40:03=61 40:04=61 40:05=4005 40:06=61 40:07=60 40:09=61 40:10=60 40:11=61 40:14=60 "
    "44:09=45 50:02=45 51:02=5102 51:03=5103",
    "C": "03:02=10 03:03=9 03:04=10",
}
_OF_ALLELE = {
    (locus, *pair.split("=")[:1]): int(pair.split("=")[1])
    for locus, pairs in ALLELES.items()
    for pair in pairs.split()
}
_BROADER = {
    (locus, int(split)): int(row.split(":")[0])
    for locus, rows in SPLITS.items()
    for row in rows.split()
    for split in row.split(":")[1].split(",")
}
_UNCLEAR = {("B", 15), ("B", 83), ("B", 95)}
_HIGHEST = {"A": 80, "B": 82, "C": 10}
"""The highest first field that is an antigen too."""

_FORM = re.compile(r"(?:HLA-)?(A|B|C|Cw)(\*?)(\d+)(?::(\d+))?(?::\d+)*(N?)", flags=re.IGNORECASE)


class Typed(NamedTuple):
    """A type: its antigens from the broadest to the narrowest, and what it says of an allele."""

    locus: str
    chain: tuple[int, ...]
    family: str
    allele: str
    is_null: bool


def read_type(name: str) -> Typed | None:
    """Return what a type of class I says; None if it is none."""
    found = _FORM.fullmatch(name)
    if found is None:
        return None
    locus = found[1][0].upper()
    family = found[3] if found[2] else ""
    allele = f"{family}:{found[4]}" if found[4] else ""
    number = _OF_ALLELE.get((locus, allele), int(found[3]))
    is_antigen = not family or (locus, allele) in _OF_ALLELE or number <= _HIGHEST[locus]
    if not is_antigen or (family and (locus, number) in _UNCLEAR and number == int(found[3])):
        return Typed(locus, (), family, allele, bool(found[5]))
    chain = [number]
    while (locus, chain[0]) in _BROADER:
        chain.insert(0, _BROADER[locus, chain[0]])
    return Typed(locus, tuple(chain), family, allele, bool(found[5]))


def agree(one: Typed, other: Typed) -> bool:
    """Return whether two types say the same, as far down as both go."""
    if one.locus != other.locus:
        return False
    if one.allele and other.allele:
        return one.allele == other.allele
    if one.family and other.family:
        return one.family == other.family
    both = list(zip(one.chain, other.chain, strict=False))
    return bool(both) and all(first == second for first, second in both)


def list_hla_faults(
    donor: Iterable[str], own: Iterable[str], antibodies: Iterable[str]
) -> list[str]:
    """List what is wrong with a donor's types for a patient's types and antibodies."""
    given, mine = _read(donor), [typed for typed in _read(own).values() if typed]
    against = [typed for typed in _read(antibodies).values() if typed]
    loci = {typed.locus for typed in given.values() if typed}
    needed = {typed.locus for typed in mine if typed.locus != "C"}
    needed |= {typed.locus for typed in against}
    faults = [] if given and needed <= loci else ["hla_untyped"]
    for name, typed in given.items():
        if typed is None:
            continue
        if not typed.is_null and any(_hits(typed, antigen) for antigen in against):
            faults.append(f"hla_antibody_hits {name}")
        is_counted = bool(mine) and not against and typed.locus != "C" and not typed.is_null
        if is_counted and not any(agree(typed, antigen) for antigen in mine):
            faults.append(f"hla_mismatched {name}")
    return faults


def _hits(typed: Typed, antibody: Typed) -> bool:
    if typed.locus != antibody.locus:
        return False
    return not typed.chain or not antibody.chain or agree(typed, antibody)


def _read(names: Iterable[str]) -> dict[str, Typed | None]:
    return {name: read_type(name) for name in names}
