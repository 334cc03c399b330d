"""Kinds of disaster: the one name of each kind, and the words in which it is reported.

Pure. A name that is not among these is kept as it is, if it is an identifier: feeds know more kinds
than we have a model for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator

from models.base import Identifier

HAZARD_WORDS: Mapping[str, tuple[str, ...]] = {
    "earthquake": ("地震",),
    "landslide": ("山体滑坡", "滑坡", "泥石流", "崩塌"),
    "flood": ("洪水", "洪涝", "水灾", "山洪"),
    "typhoon": ("台风", "飓风"),
    "tornado": ("龙卷风", "龙卷"),
    "snow": ("雪灾", "暴雪", "雪崩"),
    "fire": ("火灾", "森林火灾", "山火"),
    "explosion": ("爆炸",),
    "traffic": ("交通事故", "车祸"),
    "mine": ("矿难", "矿山事故"),
    "collapse": ("坍塌", "建筑坍塌", "垮塌"),
    "stampede": ("踩踏",),
    "chemical": ("化学品泄漏", "中毒"),
    "attack": ("恐怖袭击", "袭击"),
}
"""The name of each kind, and the Chinese words for it."""

_NAMES = {word: name for name, words in HAZARD_WORDS.items() for word in words}


def read_hazard(given: object) -> object:
    """Return the name that a word stands for; English words in any case.

    Raises:
        ValueError: The word is no identifier and is not known; the message lists the known words.
    """
    if not isinstance(given, str):
        return given
    word = given.strip()
    if word in _NAMES:
        return _NAMES[word]
    if word.isascii():
        return word.lower() if word.lower() in HAZARD_WORDS else word
    known = "、".join(f"{words[0]} ({name})" for name, words in HAZARD_WORDS.items())
    raise ValueError(f"不认识的灾种，已知 · not a hazard that is known; known are: {known}")


Hazard = Annotated[Identifier, BeforeValidator(read_hazard)]
"""The kind of a disaster, by its name or by a Chinese word for it."""
