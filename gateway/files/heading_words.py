"""The words by which headings are known. Pure.

Words are compared in a common form: full width as half width, without case, spaces and punctuation.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import cached_property, lru_cache
from typing import Self

from pydantic import Field

from models.base import Value

_IN_BRACKETS = re.compile(r"[(\[【].*?[)\]】]")
_DASHES = str.maketrans("−–—‐‑", "-----")


def fold(text: str) -> str:
    """Return a trimmed text in which full-width forms are half width and every dash is a hyphen."""
    if text.isascii():
        return text.strip()
    return unicodedata.normalize("NFKC", text).translate(_DASHES).strip()


@lru_cache(maxsize=4096)
def to_word(text: str) -> str:
    """Return a text in the form in which words are compared: only its letters and digits."""
    return "".join(letter for letter in fold(text).casefold() if letter.isalnum())


class HeadingWords(Value):
    """The headings of one kind of file.

    Attributes:
        headings: Column to the headings that name it; the first is shown to people.
        ambiguous: Heading to the columns that it may stand for.
        ignored: Headings of columns whose content is not kept.
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

        Text in brackets counts only where the heading is known with it, such as `规格(ml)`.
        """
        found = self._known.get(to_word(heading))
        if found is not None or self.is_ignored(heading) or to_word(heading) in self._ambiguous:
            return found
        return self._known.get(to_word(_IN_BRACKETS.sub("", fold(heading))))

    def list_meanings(self, heading: str) -> tuple[str, ...]:
        """List the columns that an ambiguous heading may stand for; empty for other headings."""
        return self._ambiguous.get(to_word(heading), ())

    def is_ignored(self, heading: str) -> bool:
        return to_word(heading) in self._ignored

    def title_of(self, column: str) -> str:
        """Return the usual heading of a column, as it is shown to people."""
        return next(iter(self.headings.get(column, ())), column)

    def extended(self, headings: Mapping[str, str], ignored: Iterable[str]) -> Self:
        """Return the words with a station's own headings and the headings that it passes over.

        Where both know a heading, the station's own meaning counts.
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
