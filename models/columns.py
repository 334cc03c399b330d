"""How stations head their columns and what they write into them: `columns.toml`, given types.

Pure data, read once. Words are compared in one form: full width as half width, without case,
spaces and punctuation. A station's own words are added by `models.own_words`.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping
from functools import cached_property, lru_cache
from importlib.resources import files
from typing import Self

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
    """The headings of one kind of file.

    Attributes:
        headings: Column to the headings that name it; the first is what people are told.
        ambiguous: Heading to the columns that it may stand for.
        ignored: Headings of columns that say nothing about what is kept.
    """

    headings: dict[str, tuple[str, ...]]
    ambiguous: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    ignored: tuple[str, ...] = ()

    @cached_property
    def _known(self) -> Mapping[str, str]:
        return {
            to_word(text): name for name, texts in self.headings.items() for text in (name, *texts)
        }

    @cached_property
    def _ambiguous(self) -> Mapping[str, tuple[str, ...]]:
        return {to_word(text): names for text, names in self.ambiguous.items()}

    @cached_property
    def _ignored(self) -> frozenset[str]:
        return frozenset(map(to_word, self.ignored))

    def find(self, heading: str) -> str | None:
        """Return the column that a heading names; None if it names none.

        What stands in brackets counts only where the heading is known with it: `规格(ml)`.
        """
        found = self._known.get(to_word(heading))
        if found is not None or self.is_ignored(heading) or to_word(heading) in self._ambiguous:
            return found
        return self._known.get(to_word(_IN_BRACKETS.sub("", fold(heading))))

    def list_meanings(self, heading: str) -> tuple[str, ...]:
        """List the columns that an ambiguous heading may stand for; none if it is not one."""
        return self._ambiguous.get(to_word(heading), ())

    def is_ignored(self, heading: str) -> bool:
        return to_word(heading) in self._ignored

    def title_of(self, column: str) -> str:
        """Return the usual heading of a column, as people are told of it."""
        return next(iter(self.headings.get(column, ())), column)

    def extended(self, headings: Mapping[str, str], ignored: Iterable[str]) -> Self:
        """Return the words with a station's own: headings to columns, and what it passes over.

        The station's own word comes first.
        """
        if not headings and not ignored:
            return self
        own = set(map(to_word, headings)) | (dropped := set(map(to_word, ignored)))
        merged = {
            name: (
                *(text for text in texts if to_word(text) not in own),
                *(text for text, column in headings.items() if column == name),
            )
            for name, texts in self.headings.items()
        }
        mapped = set(map(to_word, headings)) - dropped
        return type(self)(
            headings=merged,
            ambiguous={
                text: names for text, names in self.ambiguous.items() if to_word(text) not in own
            },
            ignored=(
                *(text for text in self.ignored if to_word(text) not in mapped),
                *ignored,
            ),
        )


class RefusedProduct(Value):
    """Words in a product's name, and the code that tells why such a product is no stock."""

    code: str
    words: tuple[str, ...] = Field(min_length=1)


class DoseRule(Value):
    """What is kept of a bag whose volume is told in another measure.

    Attributes:
        words: What follows the number.
        ml: Millilitres that are kept for one of it.
        products: Names that it may stand with; none allows all.
    """

    words: tuple[str, ...]
    ml: int = Field(gt=0, le=1000)
    source: str = Field(min_length=1)
    products: tuple[str, ...] = ()


class DoseRules(Value):
    unit: DoseRule
    therapeutic: DoseRule


class UseWords(Value):
    """What a column that is passed over says of whether blood may be used.

    Attributes:
        headings: Parts of headings that say it.
        aside: Parts of headings that ask who, when or how.
        of_group: Parts of headings in which 阳性 is RhD.
        against: Parts of cells that say it may not.
        harmless: What holds one of those, and means something else.
        good: Parts of cells that say it may.
        doubts: What must not stand beside them.
    """

    headings: tuple[str, ...]
    aside: tuple[str, ...]
    of_group: tuple[str, ...]
    against: tuple[str, ...]
    harmless: tuple[str, ...]
    good: tuple[str, ...]
    doubts: tuple[str, ...]


class ColumnWords(Value):
    """The whole file.

    Attributes:
        components: Whole names of products to the component.
        treatments: What may stand before or after such a name, and the trait that it tells.
        refused_products: Why other names are refused.
        statuses: What a count says of a unit, in the words of station systems.
    """

    units: HeadingWords
    donors: HeadingWords
    components: dict[str, Component]
    treatments: dict[str, str]
    refused_products: tuple[RefusedProduct, ...]
    doses: DoseRules
    statuses: dict[str, tuple[str, ...]]
    sexes: dict[str, tuple[str, ...]]
    yes: tuple[str, ...]
    no: tuple[str, ...]
    totals: tuple[str, ...] = Field(min_length=1)
    notes: tuple[str, ...] = Field(min_length=1)
    use: UseWords

    @cached_property
    def _statuses(self) -> Mapping[str, str]:
        return {to_word(word): name for name, words in self.statuses.items() for word in words}

    def find_status(self, word: str) -> str | None:
        """Return the status that a word means; None if the word is not known.

        `set_aside` and `unclear` are no statuses of a unit: a reader refuses them by name.
        """
        return self._statuses.get(to_word(word))

    def tells_use(self, heading: str) -> bool:
        """Whether a heading says that its column tells whether blood may be used."""
        word = to_word(heading)
        parts = (*self.use.headings, *self.use.against)
        return _holds(word, parts) and not _holds(word, self.use.aside)

    def speaks_against(self, heading: str, text: str, *, is_said: bool) -> bool:
        """Whether a cell that is passed over speaks against the use of its bag.

        Args:
            heading: Of its column.
            text: What stands there; empty where nothing does.
            is_said: The row says in another column that it is released; then nothing is nothing.
        """
        head, word = to_word(heading), to_word(text)
        status = self.find_status(word)
        if status is not None:
            return status != "available"
        if _holds(head, self.use.of_group):
            return False
        if _holds(head, self.use.against):
            # 是否报废, 报废日期: what stands there is a discard, unless it says that there is none.
            return bool(word) and text.casefold() not in self.no and not self._is_good(word)
        if _holds(_without(word, self.use.harmless), self.use.against):
            return True
        return self.tells_use(heading) and self._is_open(text, word, is_said=is_said)

    def _is_open(self, text: str, word: str, *, is_said: bool) -> bool:
        """Whether a cell under a heading of use does not say that the bag may be used."""
        if text.casefold() in self.yes or text.casefold() in self.no:
            return text.casefold() in self.no
        if not word:
            return not is_said
        # A number is a measured value: what it means nobody can tell here.
        return not word.isdecimal() and not self._is_good(word)

    def _is_good(self, word: str) -> bool:
        rest = _without(word, (*self.use.harmless, *self.use.good))
        return rest != word and not _holds(rest, self.use.doubts)


def _holds(word: str, parts: Iterable[str]) -> bool:
    return any(to_word(part) in word for part in parts)


def _without(word: str, parts: Iterable[str]) -> str:
    for part in sorted(map(to_word, parts), key=len, reverse=True):
        word = word.replace(part, "")
    return word


def _load() -> ColumnWords:
    text = files("models").joinpath("columns.toml").read_text(encoding="utf-8")
    raw = tomllib.loads(text)
    units, donors = raw["units"], raw["donors"]
    return ColumnWords(
        units=HeadingWords(
            headings=units["headings"],
            ambiguous=units["ambiguous"],
            ignored=units["ignored"]["headings"],
        ),
        donors=HeadingWords(headings=donors["headings"], ignored=donors["ignored"]["headings"]),
        components={to_word(word): name for word, name in raw["components"].items()},
        treatments={to_word(word): name for word, name in raw["treatments"].items()},
        refused_products=raw["refused_products"],
        doses=raw["doses"],
        statuses=raw["statuses"],
        sexes=raw["sexes"],
        yes=raw["flags"]["yes"],
        no=raw["flags"]["no"],
        totals=raw["totals"]["words"],
        notes=tuple(map(to_word, raw["totals"]["notes"])),
        use=raw["use"],
    )


WORDS = _load()


def count_headings(cells: Iterable[str]) -> int:
    """Count the cells that are headings of any kind of file."""
    return sum(
        any(words.find(cell) is not None for words in (WORDS.units, WORDS.donors))
        for cell in cells
        if cell
    )
