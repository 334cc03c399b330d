"""The ISBT 128 data structures that may be on a bag: identifier, form, name. Pure data.

It has only the published form (ICCBBA ST-001 v6.2.2, sections 2.3 and 2.4): how each structure
begins, how long it is, and which characters it takes. It has no table of codes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_FIRST_OF_DIN = "ABCDEFGHIJKLMNPQRSTUVWXYZ123456789"
"""All characters except O and 0, which are easily confused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """One data structure.

    Attributes:
        number: The number of the structure in the standard, three digits.
        identifier: The two characters it begins with; for the donation number only `=`, since its
            second character belongs to the number.
        form: Regular expression of the characters behind the identifier.
        length: Number of characters, identifier included.
        shape: The form as the standard writes it, for people.
        zh, en: Its name.
    """

    number: str
    identifier: str
    form: str
    length: int
    shape: str
    zh: str
    en: str
    pattern: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        whole = re.escape(self.identifier) + self.form
        object.__setattr__(self, "pattern", re.compile(whole, flags=re.ASCII))

    def find_wrong(self, text: str) -> tuple[int, str, str]:
        """Return where a text of the right length breaks the form, with the found character.

        The third value names the allowed characters. The position counts from 1; it is 0 if the
        form is kept.
        """
        allowed = [re.escape(character) for character in self.identifier]
        for kind, times in re.findall(r"(\[[^\]]*\])(?:\{(\d+)\})?", self.form):
            allowed += [kind] * int(times or 1)
        for at, (character, kind) in enumerate(zip(text, allowed, strict=True), start=1):
            if not re.fullmatch(kind, character, flags=re.ASCII):
                return at, character, kind.strip("[]")
        return 0, "", ""

    @property
    def title(self) -> str:
        return f"DS{self.number} {self.zh}/{self.en}"


def _make(
    number: str, identifier: str, *, form: str, shape: str, length: int, zh: str, en: str
) -> Structure:
    return Structure(
        number=number,
        identifier=identifier,
        form=form,
        length=len(identifier) + length,
        shape=identifier + shape,
        zh=zh,
        en=en,
    )


def _make_day(number: str, identifier: str, zh: str, en: str) -> Structure:
    return _make(
        number, identifier, form=r"[0-9]{6}", shape="cyyjjj", length=6, zh=zh, en=f"{en} date"
    )


def _make_minute(number: str, identifier: str, zh: str, en: str) -> Structure:
    return _make(
        number,
        identifier,
        form=r"[0-9]{10}",
        shape="cyyjjjhhmm",
        length=10,
        zh=zh,
        en=f"{en} date and time",
    )


def _make_eighteen(number: str, identifier: str, *, shape: str, zh: str, en: str) -> Structure:
    return _make(number, identifier, form=r"[0-9]{18}", shape=shape, length=18, zh=zh, en=en)


DIN_FORM = r"[A-NP-Z1-9][A-NP-Z0-9]{2}[0-9]{2}[0-9]{2}[0-9]{6}"
"""Form of a donation number: facility, two digits of the year, sequence number."""

DONATION = _make(
    "001",
    "=",
    form=DIN_FORM + r"[0-9A-HJ-NPR-Y]{2}",
    shape="αppppyynnnnnnff",
    length=15,
    zh="献血码",
    en="donation identification number",
)
GROUP = _make(
    "002",
    "=%",
    form=r"[A-Za-z0-9]{2}[A-Z0-9]{2}",
    shape="ggre",
    length=4,
    zh="血型",
    en="blood group",
)
PRODUCT = _make(
    "003",
    "=<",
    form=r"[A-Z][A-Z0-9]{4}[A-Za-z0-9][A-Z0-9][a-z0-9]",
    shape="αooootds",
    length=8,
    zh="产品码",
    en="product code",
)
EXPIRY_DAY = _make_day("004", "=>", "失效日期", "expiration")
EXPIRY = _make_minute("005", "&>", "失效日期时间", "expiration")
COLLECTION_DAY = _make_day("006", "=*", "采集日期", "collection")
COLLECTION = _make_minute("007", "&*", "采集日期时间", "collection")
PRODUCTION_DAY = _make_day("008", "=}", "制备日期", "production")
PRODUCTION = _make_minute("009", "&}", "制备日期时间", "production")
DIVISION = _make(
    "032",
    "=,",
    form=r"[A-Z0-9]{6}",
    shape="dddddd",
    length=6,
    zh="分装号",
    en="product division",
)

SPECIAL_TESTING = (
    _make(
        "010",
        "&(",
        form=r"[A-Z0-9]{5}",
        shape="zzzzz",
        length=5,
        zh="特殊检测",
        en="special testing: general",
    ),
    _make_eighteen(
        "012",
        "=\\",
        shape="a×16 ii",
        zh="特殊检测：红细胞抗原",
        en="special testing: red cell antigens",
    ),
    _make_eighteen(
        "013",
        "&\\",
        shape="a×16 ii",
        zh="特殊检测：红细胞抗原（芬兰）",
        en="special testing: red cell antigens, Finnish",
    ),
    _make_eighteen(
        "014",
        "&{",
        shape="AAAABBBBCCCCCCCCDE",
        zh="特殊检测：血小板 HLA 与特异性抗原",
        en="special testing: platelet HLA and antigens",
    ),
)
OTHERS = (
    _make(
        "017",
        "=)",
        form=r"[A-Za-z0-9]{10}",
        shape="bqqwwwwwww",
        length=10,
        zh="血袋厂商与货号",
        en="container manufacturer and catalog number",
    ),
    _make(
        "018",
        "&)",
        form=r"[A-Za-z0-9]{10}",
        shape="x×10",
        length=10,
        zh="血袋批号",
        en="container lot number",
    ),
    _make_eighteen(
        "027",
        '&"',
        shape="n×18",
        zh="输血传播感染标志",
        en="transfusion transmitted infection marker",
    ),
)
COMPOUND = _make(
    "023",
    "=+",
    form=r"[0-9]{5}",
    shape="aabbb",
    length=5,
    zh="复合消息",
    en="compound message",
)

SINGLE = (
    DONATION,
    GROUP,
    PRODUCT,
    EXPIRY_DAY,
    EXPIRY,
    COLLECTION_DAY,
    COLLECTION,
    PRODUCTION_DAY,
    PRODUCTION,
    DIVISION,
    *SPECIAL_TESTING,
    *OTHERS,
)
"""The structures that may be alone or in a compound message, which holds no other compound one."""

BY_IDENTIFIER = {
    **{structure.identifier: structure for structure in SINGLE if structure is not DONATION},
    **{f"={first}": DONATION for first in _FIRST_OF_DIN},
}
"""The structures by the first two characters of a barcode."""
