"""How stations head their columns and what they write into them: `columns.toml`, given types.

Pure data, read once. Words are compared in one form: full width as half width, without case,
spaces and punctuation.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib.resources import files

from pydantic import Field

from models.base import Value
from models.components import Component

_IN_BRACKETS = re.compile(r"[(\[【].*?[)\]】]")
_DASHES = str.maketrans("−–—‐‑", "-----")


def fold(text: str) -> str:
    """Return a text with full-width forms made half width, every dash a hyphen, trimmed."""
    if text.isascii():
        return text.strip()
    return unicodedata.normalize("NFKC", text).translate(_DASHES).strip()


@lru_cache(maxsize=4096)
def to_word(text: str) -> str:
    """Return a text in the one form in which words are compared: its letters and digits."""
    return "".join(letter for letter in fold(text).casefold() if letter.isalnum())


class HeadingWords(Value):
    headings: dict[str, tuple[str, ...]]
    ignored: tuple[str, ...] = ()

    def find(self, heading: str) -> str | None:
        """Return the column that a heading names; None if it names none.

        What stands in brackets counts only where the heading is known with it: `规格(ml)`.
        """
        known = _words_of(self)
        bare = _IN_BRACKETS.sub("", fold(heading))
        return known.get(to_word(heading)) or known.get(to_word(bare))

    def is_ignored(self, heading: str) -> bool:
        return to_word(heading) in {to_word(word) for word in self.ignored}


class ColumnWords(Value):
    """The whole file.

    Attributes:
        components: Part of a product's name to the component; the longest that it holds decides.
        treatments: Part of a product's name to the trait that it tells.
        components_unknown: Parts of names of products that nothing here stands for.
        statuses: What a count says of a unit, in the words of station systems.
    """

    units: HeadingWords
    donors: HeadingWords
    components: dict[str, Component]
    treatments: dict[str, str]
    components_unknown: tuple[str, ...]
    statuses: dict[str, tuple[str, ...]]
    yes: tuple[str, ...]
    no: tuple[str, ...]
    totals: tuple[str, ...] = Field(min_length=1)

    def find_status(self, word: str) -> str | None:
        """Return the status that a word means; None if the word is not known."""
        return _statuses().get(to_word(word))


_KNOWN: dict[int, Mapping[str, str]] = {}


def _words_of(words: HeadingWords) -> Mapping[str, str]:
    found = _KNOWN.get(id(words))
    if found is None:
        found = {
            to_word(text): name for name, texts in words.headings.items() for text in (name, *texts)
        }
        _KNOWN[id(words)] = found
    return found


@cache
def _statuses() -> Mapping[str, str]:
    return {to_word(word): name for name, words in WORDS.statuses.items() for word in words}


def _load() -> ColumnWords:
    text = files("models").joinpath("columns.toml").read_text(encoding="utf-8")
    raw = tomllib.loads(text)
    units, donors = raw["units"], raw["donors"]
    return ColumnWords(
        units=HeadingWords(headings=units["headings"], ignored=units["ignored"]["headings"]),
        donors=HeadingWords(headings=donors["headings"], ignored=donors["ignored"]["headings"]),
        components={to_word(word): name for word, name in raw["components"].items()},
        treatments={to_word(word): name for word, name in raw["treatments"].items()},
        components_unknown=raw["components_unknown"]["words"],
        statuses=raw["statuses"],
        yes=raw["flags"]["yes"],
        no=raw["flags"]["no"],
        totals=raw["totals"]["words"],
    )


WORDS = _load()
