"""Names of red-cell antigens as the checker reads them: its own small table.

Pure. Rows and records that are older than the vocabulary have names as somebody wrote them. A name
that is not recognised stays as it is: nothing was shown to lack it.

Source: ISBT names and numbers of the antigens for which red cells are typed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping

ABO_AND_D: Mapping[str, Callable[[str], bool]] = {
    "A": lambda group: not group.startswith("A"),
    "B": lambda group: group[:-1] in {"O", "A"},
    "D": lambda group: group.endswith("-"),
}
"""Whether a bag of a group lacks what its label tells."""

TOGETHER = {
    "f": "c e", "Ce": "C e", "cE": "c E", "CE": "C E", "G": "C D", "Mur": "Mia",
    "Jk3": "Jka Jkb", "Fy3": "Fya Fyb", "A1": "A", "AB": "A B",
    "P": "PP1Pk", "P1": "PP1Pk", "Pk": "PP1Pk",
}  # fmt: skip
"""An antigen to those with all of which it is absent."""

_SAME = {
    "RhD": "D", "d": "D", "Rho": "D", "RH1": "D", "RhC": "C", "RH2": "C", "RhE": "E", "RH3": "E",
    "Rhc": "c", "RH4": "c", "Rhe": "e", "RH5": "e", "ce": "f", "KEL1": "K", "Kell": "K",
    "KEL2": "k", "Cellano": "k", "JK1": "Jka", "JK2": "Jkb", "FY1": "Fya", "FY2": "Fyb",
    "DI1": "Dia", "DI2": "Dib", "MNS1": "M", "MNS2": "N", "MNS3": "S", "MNS4": "s", "MNS5": "U",
    "MNS7": "Mia", "MNS10": "Mur", "a": "A", "b": "B", "Tja": "PP1Pk",
}  # fmt: skip
_IN_CAPITALS = {other.upper(): _SAME[other] for other in ("RhD", "Rho", "Kell", "Cellano")}
_TWO_LETTERS = re.compile(r"(jk|fy|di|le|lu|kp|js|do|co|yt|xg|mi|mu)([abr])", flags=re.IGNORECASE)


def read_antigen(written: str) -> str:
    """Return the usual name of an antigen; one that is not recognised stays as it is written."""
    name = re.sub(r"[\s()^*_-]", "", unicodedata.normalize("NFKC", written))
    name = re.sub(r"^(anti|抗)", "", name, flags=re.IGNORECASE) or name
    if name in _SAME:
        return _SAME[name]
    if _TWO_LETTERS.fullmatch(name):
        return name[0].upper() + name[1:].lower()
    return _IN_CAPITALS.get(name.upper(), name)
