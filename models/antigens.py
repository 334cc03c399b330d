"""Antigens of red cells and platelets: a closed vocabulary, and the one written form of each name.

Pure data. `antigens.toml` has the names with their ISBT numbers and the other ways of writing them.
A name that it does not have is refused: blood is chosen by these names, and one that nobody else
uses would let a unit pass, or let none. Decision 0032 gives the reasons.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache, lru_cache
from importlib.resources import files
from typing import Annotated, Any

from pydantic import StringConstraints, ValidationInfo, ValidatorFunctionWrapHandler, WrapValidator

from models.base import AsSet
from models.broken_rule import BrokenRuleError

_AROUND = re.compile(r"^(?:anti|抗)|(?:抗体|抗原|antibody|antigen|阴性)$", flags=re.IGNORECASE)
_BETWEEN = re.compile(r"[\s()\[\]^_'’*\-‐‑‒–—−·:]+")


class KeptName(str):
    """A name of an old row that no vocabulary has: kept as it is, and never taken for another.

    No unit is shown to lack it, so nothing goes to a patient whose antibody it is.
    """

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """One kind of names.

    Attributes:
        names: The written form of each.
        spelled: The written form by every key that `_to_key` makes.
        folded: The same by the keys in small letters, where they mean a single name.
    """

    names: tuple[str, ...]
    spelled: Mapping[str, str]
    folded: Mapping[str, str]

    def find(self, text: str) -> str | None:
        """Return the written form of a name; None if the vocabulary does not have it.

        Capitals count where two antigens differ by nothing else: c and C, k and K.
        """
        key = _to_key(text)
        if key in _read()["refused"]:
            return None
        return self.spelled.get(key) or self.folded.get(key.casefold())

    def guess(self, text: str) -> list[str]:
        """List the names that may have been meant, the likeliest first."""
        key = _to_key(text).casefold()
        near = get_close_matches(key, self.folded, n=3, cutoff=0.7)
        same = [name for name in self.names if name.casefold() == key]
        return list(dict.fromkeys([*same, *(self.folded[folded] for folded in near)]))


def _to_key(text: str) -> str:
    """Return what all ways of writing a name share, its capitals kept."""
    plain = _BETWEEN.sub("", unicodedata.normalize("NFKC", text))
    shorter = _AROUND.sub("", plain)
    return shorter or plain


@cache
def _read() -> dict[str, Any]:
    raw = files("models").joinpath("antigens.toml").read_text(encoding="utf-8")
    return tomllib.loads(raw)


def _build(spellings: Iterable[tuple[str, str]]) -> Vocabulary:
    spelled: dict[str, str] = {}
    folded: dict[str, set[str]] = {}
    for spelling, name in spellings:
        key = _to_key(spelling)
        if spelled.setdefault(key, name) != name:
            raise ValueError(f"{spelling}: {name} and {spelled[key]} are written alike")
        folded.setdefault(key.casefold(), set()).add(name)
    return Vocabulary(
        names=tuple(dict.fromkeys(spelled.values())),
        spelled=spelled,
        folded={key: names.pop() for key, names in folded.items() if len(names) == 1},
    )


def _spell_red_cells() -> Iterator[tuple[str, str]]:
    raw = _read()
    for symbol, system in raw["red_cells"].items():
        for name, number, *others in system["names"]:
            yield name, name
            for other in others:
                yield other, name
            for prefix in raw["prefixes"].get(symbol, ()):
                yield f"{prefix}{name}", name
            if "number" in system:
                yield f"{symbol}{number}", name
                yield f"{system['number']:03}{number:03}", name
            elif number:
                yield str(number), name


def _spell_platelets() -> Iterator[tuple[str, str]]:
    for name, others in _read()["platelets"].items():
        yield name, name
        for other in others:
            yield other, name


RED_CELLS = _build(_spell_red_cells())
PLATELETS = _build(_spell_platelets())

ABSENT_WITH: Mapping[str, tuple[frozenset[str], ...]] = {
    name: tuple(map(frozenset, ways)) for name, ways in _read()["absent_with"].items()
}
"""An antigen to the sets of antigens of which a unit that lacks a whole set lacks it as well."""


@lru_cache(maxsize=4096)
def read_red_cell_antigen(text: str) -> str:
    """Return the one written form of a red-cell antigen, whichever way it is written.

    Raises:
        BrokenRuleError: `antigen_of_platelets`, `antigen_unknown`.
    """
    name = RED_CELLS.find(text)
    if name is not None:
        return name
    platelet = PLATELETS.find(text)
    if platelet is not None:
        raise BrokenRuleError("antigen_of_platelets", "antigens", antigen=platelet)
    raise BrokenRuleError("antigen_unknown", "antigens", known=_list_likely(RED_CELLS, text))


@lru_cache(maxsize=1024)
def read_platelet_antigen(text: str) -> str:
    """Return the one written form of a platelet antigen, whichever way it is written.

    Raises:
        BrokenRuleError: `platelet_antigen_unknown`.
    """
    name = PLATELETS.find(text)
    if name is None:
        known = _list_likely(PLATELETS, text)
        raise BrokenRuleError("platelet_antigen_unknown", "platelet_antigens", known=known)
    return name


_USUAL = {
    id(RED_CELLS): ("D", "C", "c", "E", "e", "M", "S", "s", "Mur", "Dia", "Jka", "Fya", "K"),
    id(PLATELETS): ("HPA-1a", "HPA-2a", "HPA-3a", "HPA-5b", "HPA-15b", "CD36"),
}


def _list_likely(vocabulary: Vocabulary, text: str) -> str:
    return ", ".join(vocabulary.guess(text) or _USUAL[id(vocabulary)])


def reads_name(read: Callable[[str], str]) -> WrapValidator:
    """Make the validator of a name; in a row (`Value.of_row`) an unknown name is kept as it is."""

    def validate(value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> str:  # noqa: ANN401 - as pydantic calls it
        if isinstance(value, KeptName):
            return value
        text: str = handler(value)
        try:
            return read(text)
        except BrokenRuleError:
            if info.context and info.context.get("stored"):
                return KeptName(text)
            raise

    return WrapValidator(validate)


_Name = Annotated[str, StringConstraints(min_length=1, max_length=40)]

Antigen = Annotated[_Name, reads_name(read_red_cell_antigen)]
"""A red-cell antigen in its one written form, such as `C`, `e`, `Mur`, `Dia`, `Jka`, `Fyb`, `K`."""

Antigens = Annotated[tuple[Antigen, ...], AsSet]

PlateletAntigen = Annotated[_Name, reads_name(read_platelet_antigen)]
"""A platelet antigen in its one written form, such as `HPA-1a`, `CD36`."""

PlateletAntigens = Annotated[tuple[PlateletAntigen, ...], AsSet]
