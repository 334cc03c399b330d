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


def _make(  # noqa: PLR0917 - the columns of a table
    number: str, identifier: str, form: str, shape: str, zh: str, en: str
) -> Structure:
    times = re.findall(r"\[[^\]]*\](?:\{(\d+)\})?", form)
    return Structure(
        number=number,
        identifier=identifier,
        form=form,
        length=len(identifier) + sum(int(count or 1) for count in times),
        shape=identifier + shape,
        zh=zh,
        en=en,
    )


def _make_day(number: str, identifier: str, zh: str, en: str) -> Structure:
    return _make(number, identifier, r"[0-9]{6}", "cyyjjj", zh, f"{en} date")


def _make_minute(number: str, identifier: str, zh: str, en: str) -> Structure:
    return _make(number, identifier, r"[0-9]{10}", "cyyjjjhhmm", zh, f"{en} date and time")


DIN_FORM = r"[A-NP-Z1-9][A-NP-Z0-9]{2}[0-9]{2}[0-9]{2}[0-9]{6}"
"""Form of a donation number: facility, two digits of the year, sequence number."""

DONATION = _make(
    "001",
    "=",
    DIN_FORM + r"[0-9A-HJ-NPR-Y]{2}",
    "αppppyynnnnnnff",
    "献血码",
    "donation identification number",
)
GROUP = _make("002", "=%", r"[A-Za-z0-9]{2}[A-Z0-9]{2}", "ggre", "血型", "blood group")
PRODUCT = _make(
    "003",
    "=<",
    r"[A-Z][A-Z0-9]{4}[A-Za-z0-9][A-Z0-9][a-z0-9]",
    "αooootds",
    "产品码",
    "product code",
)
EXPIRY_DAY = _make_day("004", "=>", "失效日期", "expiration")
EXPIRY = _make_minute("005", "&>", "失效日期时间", "expiration")
COLLECTION_DAY = _make_day("006", "=*", "采集日期", "collection")
COLLECTION = _make_minute("007", "&*", "采集日期时间", "collection")
PRODUCTION_DAY = _make_day("008", "=}", "制备日期", "production")
PRODUCTION = _make_minute("009", "&}", "制备日期时间", "production")
DIVISION = _make("032", "=,", r"[A-Z0-9]{6}", "dddddd", "分装号", "product division")
COMPOUND = _make("023", "=+", r"[0-9]{5}", "aabbb", "复合消息", "compound message")

_EIGHTEEN = r"[0-9]{18}"
_TEN = r"[A-Za-z0-9]{10}"
SPECIAL_TESTING = tuple(
    _make(number, identifier, form, shape, f"特殊检测{zh}", f"special testing: {en}")
    for number, identifier, form, shape, zh, en in (
        ("010", "&(", r"[A-Z0-9]{5}", "zzzzz", "", "general"),
        ("012", "=\\", _EIGHTEEN, "a×16 ii", "：红细胞抗原", "red cell antigens"),
        ("013", "&\\", _EIGHTEEN, "a×16 ii", "：红细胞抗原（芬兰）", "red cell antigens, Finnish"),
        (
            "014",
            "&{",
            _EIGHTEEN,
            "AAAABBBBCCCCCCCCDE",
            "：血小板 HLA 与特异性抗原",
            "platelet HLA and antigens",
        ),
    )
)
OTHERS = (
    _make(
        "017",
        "=)",
        _TEN,
        "bqqwwwwwww",
        "血袋厂商与货号",
        "container manufacturer and catalog number",
    ),
    _make("018", "&)", _TEN, "x×10", "血袋批号", "container lot number"),
    _make(
        "027",
        '&"',
        _EIGHTEEN,
        "n×18",
        "输血传播感染标志",
        "transfusion transmitted infection marker",
    ),
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
