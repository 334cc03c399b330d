"""Labels for tests: numbers, and the example file."""

from __future__ import annotations

import random
from importlib.resources import files
from zoneinfo import ZoneInfo

from gateway.labels.label_file import LabelBook, parse_label_book

SHANGHAI = ZoneInfo("Asia/Shanghai")

_FIRST = "ABCDEFGHIJKLMNPQRSTUVWXYZ123456789"
_NEXT = "ABCDEFGHIJKLMNPQRSTUVWXYZ0123456789"


def draw_din(chance: random.Random) -> str:
    """A donation number of the whole form that the standard allows."""
    head = chance.choice(_FIRST) + "".join(chance.choices(_NEXT, k=2))
    return head + f"{chance.randrange(10**10):010d}"


def read_example() -> str:
    return files("gateway.labels").joinpath("example.toml").read_text(encoding="utf-8")


def load_example(**replaced: str) -> LabelBook:
    """The example file, with words of it replaced."""
    text = read_example()
    for old, new in replaced.items():
        assert old in text
        text = text.replace(old, new)
    return parse_label_book(text.encode(), name="example.toml")
