"""The typed content of `columns.toml`: how stations head their columns and what they write there.

Pure data, read once. A station's own words are added by `gateway.files.station_words`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import cached_property
from importlib.resources import files
from itertools import chain

from pydantic import Field

from gateway.files.heading_words import HeadingWords, fold, to_word
from models.base import Value
from models.components import Component

_CLAUSES = re.compile(r"[,;。、|/\r\n]")
_OF_GROUP = ("阳性", "positive")
"""Words that mean RhD under a heading of the blood group."""


class RefusedProduct(Value):
    """Why a product with such a name is not stock.

    Attributes:
        code: The code of the text that gives the reason.
        words: Parts of names.
        against: Reasons of `UseWords.against`, whose words are parts of names too.
    """

    code: str
    words: tuple[str, ...] = ()
    against: tuple[str, ...] = ()


class UnitMeasure(Value):
    """The measure U, by the words that follow the number; `models.doses` says what it is."""

    words: tuple[str, ...]


class TherapeuticMeasure(UnitMeasure):
    """The adult dose of platelets.

    Attributes:
        ml: Millilitres that are kept for one.
        products: Names of products that come in doses.
    """

    ml: int = Field(gt=0, le=1000)
    source: str = Field(min_length=1)
    products: tuple[str, ...]


class DoseMeasures(Value):
    unit: UnitMeasure
    therapeutic: TherapeuticMeasure


class UseWords(Value):
    """The words by which a column that is passed over says whether blood may be used.

    Attributes:
        headings: Parts of headings of columns that say whether it may be used.
        aside: Parts of headings that ask who, when or how.
        of_group: Parts of headings under which 阳性 means RhD.
        against: Reason to the parts of cells that say that it may not be used.
        kept: Reasons for which a unit is not stock even in quarantine.
        harmless: Words that contain a word of `against` and mean something else.
        good: Parts of cells that say that it may be used.
        doubts: Words that must not stand beside those of `good`.
    """

    headings: tuple[str, ...]
    aside: tuple[str, ...]
    of_group: tuple[str, ...]
    against: dict[str, tuple[str, ...]]
    kept: frozenset[str]
    harmless: tuple[str, ...]
    good: tuple[str, ...]
    doubts: tuple[str, ...]

    @cached_property
    def _reasons(self) -> Mapping[str, re.Pattern[str]]:
        return {reason: _to_pattern(words) for reason, words in self.against.items()}

    @cached_property
    def _any(self) -> re.Pattern[str]:
        return _to_pattern(chain.from_iterable(self.against.values()))

    @cached_property
    def _harmless(self) -> re.Pattern[str]:
        return _to_pattern(self.harmless)

    def find_reason(self, text: str) -> str | None:
        """Return the reason why a text holds a bag back; None if it does not."""
        if self._any.search(to_word(text)) is None:
            return None
        # Each clause is judged separately, so that a harmless one hides no other: `编号无，自体`.
        parts = [self._harmless.sub("", to_word(part)) for part in _CLAUSES.split(fold(text))]
        return next(
            (
                reason
                for reason, pattern in self._reasons.items()
                if any(map(pattern.search, parts))
            ),
            None,
        )

    def find_reason_of_heading(self, heading: str) -> str | None:
        """Return why a bag is held back if a column with this heading is filled, as 是否报废."""
        if self._any.search(to_word(heading)) is None:
            return None
        # 质控状态 asks for a verdict; it does not give one.
        rest = _without(to_word(heading), self.headings)
        return self.find_reason(rest) and self.find_reason(heading)


class ColumnWords(Value):
    """The whole content of `columns.toml`.

    Attributes:
        components: Whole names of products to the component.
        treatments: Words that may stand before or after such a name, to the trait that they state.
        refused_products: Why other names are refused.
        made: Field that tells how a unit was made, to its values and the words for them.
        statuses: Status of a counted unit to the words of station systems for it.
    """

    units: HeadingWords
    donors: HeadingWords
    components: dict[str, Component]
    treatments: dict[str, str]
    refused_products: tuple[RefusedProduct, ...]
    doses: DoseMeasures
    made: dict[str, dict[str, tuple[str, ...]]]
    statuses: dict[str, tuple[str, ...]]
    sexes: dict[str, tuple[str, ...]]
    donation_kinds: dict[str, tuple[str, ...]]
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

        `set_aside` and `unclear` are not statuses of a unit; the reader refuses each by its name.
        """
        return self._statuses.get(to_word(word))

    @cached_property
    def _made(self) -> Mapping[tuple[str, str], str]:
        return {
            (field, to_word(word)): value
            for field, values in self.made.items()
            for value, words in values.items()
            for word in (value, *words)
        }

    def find_made(self, field: str, word: str) -> str | None:
        """Return what a word says of how a unit was made; None if it is not known."""
        return self._made.get((field, to_word(word)))

    def says_use(self, heading: str) -> bool:
        """Return whether a heading shows that its column says whether blood may be used."""
        word = to_word(heading)
        is_told = _holds(word, self.use.headings) or self.use.find_reason(heading) is not None
        return is_told and not _holds(word, self.use.aside)

    def speaks_against(self, heading: str, text: str, *, is_said: bool) -> str | None:
        """Return why a cell that is passed over speaks against the use of its bag; None if not.

        Args:
            heading: The heading of its column; empty for text outside of columns.
            text: The content of the cell; may be empty.
            is_said: Another column of the row says whether it is released; then an empty cell
                raises no doubt.

        Returns:
            A reason of `UseWords.against`, a status, or `unsaid`.
        """
        head, word = to_word(heading), to_word(text)
        status = self.find_status(word)
        if status is not None:
            return None if status == "available" else status
        if _holds(head, self.use.of_group):
            return self.use.find_reason(_without(word, _OF_GROUP))
        reason = self.use.find_reason(text)
        of_heading = self.use.find_reason_of_heading(heading)
        if of_heading is not None and (reason is None or not self.is_kept(reason)):
            # Under 是否报废 or 报废日期 a filled cell is a discard, unless it says there is none.
            is_none = not word or text.casefold() in self.no or self._is_good(word)
            return reason if is_none else of_heading
        if reason is None and self.says_use(heading):
            return "unsaid" if self._is_open(text, word, is_said=is_said) else None
        return reason

    def is_kept(self, reason: str) -> bool:
        """Return whether a bag is not stock for this reason even in quarantine."""
        return reason in self.use.kept or reason == "unclear"

    def _is_open(self, text: str, word: str, *, is_said: bool) -> bool:
        """Return whether a cell under a heading of use leaves open whether the bag may be used."""
        if text.casefold() in self.yes or text.casefold() in self.no:
            return text.casefold() in self.no
        if not word:
            return not is_said
        # A number is a measured value, whose meaning is not known here.
        return not word.isdecimal() and not self._is_good(word)

    def _is_good(self, word: str) -> bool:
        rest = _without(word, (*self.use.harmless, *self.use.good))
        return rest != word and not _holds(rest, self.use.doubts)


def _to_pattern(parts: Iterable[str]) -> re.Pattern[str]:
    """Return a pattern that finds any of these parts in a word, the longest first."""
    return re.compile("|".join(sorted(map(to_word, parts), key=len, reverse=True)))


def _holds(word: str, parts: Iterable[str]) -> bool:
    return any(to_word(part) in word for part in parts)


def _without(word: str, parts: Iterable[str]) -> str:
    for part in sorted(map(to_word, parts), key=len, reverse=True):
        word = word.replace(part, "")
    return word


def _load() -> ColumnWords:
    text = files("gateway.files").joinpath("columns.toml").read_text(encoding="utf-8")
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
        made=raw["made"],
        statuses=raw["statuses"],
        sexes=raw["sexes"],
        donation_kinds=raw["donation_kinds"],
        yes=raw["flags"]["yes"],
        no=raw["flags"]["no"],
        totals=raw["totals"]["words"],
        notes=tuple(map(to_word, raw["totals"]["notes"])),
        use=raw["use"],
    )


WORDS = _load()


def count_headings(cells: Iterable[str]) -> int:
    """Count the cells that are a known heading of a count or a register."""
    return sum(
        any(words.find(cell) is not None for words in (WORDS.units, WORDS.donors))
        for cell in cells
        if cell
    )
