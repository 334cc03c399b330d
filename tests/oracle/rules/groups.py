"""Which groups go together, and who is protected: the values as the sources give them.

Lifeblood's component compatibility; Victoria's cap of unconfirmed O RhD-; the Chinese RhD-
emergency fallback; Mackay Memorial Hospital for RhD where it is rare; Blood 2023;141:2141 for
Asian-type DEL; the antigens that matter in East Asia.
What the checker's table has comes from there.
"""

from __future__ import annotations

from collections.abc import Mapping

from checker.compatibility import (
    ADULT_FROM_AGE,
    CRYOPRECIPITATE,
    ESTIMATE_MAY_BE_OFF_BY,
    LAST_CHILDBEARING_AGE,
    LAST_PREFERRED_AGE,
    LAST_PROTECTED_AGE_OF_BOYS,
    LOW_TITRE_PLASMA,
    O_NEGATIVE_CAP,
    PLASMA,
    PLATELETS,
    RED_CELLS,
    RHD_FALLBACK,
)
from checker.patient_memory import MOTHER_TO_D
from tests.oracle.rules.saying import (
    Names,
    Says,
    Table,
    Told,
    fewer,
    fixed,
    free,
    higher,
    lower,
    off,
    says,
)


def _abo(row: str) -> Names:
    """List the ABO groups of a row of the checker's table, in its order."""
    return tuple(dict.fromkeys(group.rstrip("+-") for group in row.split()))


def _rows(orders: Mapping[str, str]) -> dict[str, Told]:
    """Return each row of an order: a station keeps at least the own group, AB for the unknown."""
    return {
        name: fewer(tuple(row.split()), "ABO group", keeps=("AB" if name == "unknown" else name,))
        for name, row in orders.items()
    }


_PLASMA_OF_ABO = {
    "O": fewer(_abo(PLASMA["O"]), "ABO group", keeps=("O",)),
    "A": fewer(_abo(PLASMA["A"]), "ABO group", keeps=("A",)),
    "B": fewer(_abo(PLASMA["B"]), "ABO group", keeps=("B",)),
    "AB": fixed(_abo(PLASMA["AB"]), "ABO group"),
}

COMPATIBILITY: Table = {
    "red_cells.abo": says(
        "standard",
        O=fixed(_abo(RED_CELLS["O+"]), "ABO group"),
        A=fewer(_abo(RED_CELLS["A+"]), "ABO group", keeps=("A",)),
        B=fewer(_abo(RED_CELLS["B+"]), "ABO group", keeps=("B",)),
        AB=fewer(_abo(RED_CELLS["AB+"]), "ABO group", keeps=("AB",)),
    ),
    "plasma.abo": Says("standard", "xuelian", None, (), _PLASMA_OF_ABO),
    "plasma.low_titre": says(
        "standard",
        O=fixed(_abo(LOW_TITRE_PLASMA["O"]), "ABO group"),
        A=fewer(_abo(LOW_TITRE_PLASMA["A"]), "ABO group"),
        B=fewer(_abo(LOW_TITRE_PLASMA["B"]), "ABO group"),
        AB=fewer(_abo(LOW_TITRE_PLASMA["AB"]), "ABO group"),
        unknown=fewer(_abo(LOW_TITRE_PLASMA["unknown"]), "ABO group"),
    ),
    "cryoprecipitate.abo": Says(
        "standard",
        "xuelian",
        None,
        ("unknown", "adult_from_age_years"),
        {
            **_rows(CRYOPRECIPITATE),
            "adult_from_age_years": higher(ADULT_FROM_AGE, "year", most=30),
        },
    ),
    "platelets.abo": Says("standard", "xuelian", None, ("unknown",), _rows(PLATELETS)),
    "whole_blood.abo": says(
        "standard",
        confirm=("O", "A", "B", "AB"),
        O=fixed(("O",), "ABO group"),
        A=fixed(("A",), "ABO group"),
        B=fixed(("B",), "ABO group"),
        AB=fixed(("AB",), "ABO group"),
    ),
    "plasma.rhd": says("standard"),
    "unknown.group": says(
        "standard",
        confirm=(
            "rhd_positive_for_all",
            "female_rhd_negative_to_age_years",
            "male_rhd_negative_to_age_years",
        ),
        rhd_positive_for_all=off("yes/no"),
        female_rhd_negative_to_age_years=higher(LAST_CHILDBEARING_AGE, "year", most=60),
        male_rhd_negative_to_age_years=higher(LAST_PROTECTED_AGE_OF_BOYS, "year", most=60),
    ),
    "patient.estimated_age": says(
        "local",
        confirm=("margin_years",),
        margin_years=higher(ESTIMATE_MAY_BE_OFF_BY, "year", most=30),
    ),
    "unknown.o_negative_cap": says(
        "local",
        confirm=("o_negative_units",),
        o_negative_units=lower(O_NEGATIVE_CAP, "bag", least=1),
    ),
    "rhd.anti_d": says("standard"),
    "rhd.childbearing": says(
        "standard",
        confirm=("female_from_age_years", "female_to_age_years"),
        female_from_age_years=fixed(0, "year"),
        female_to_age_years=higher(LAST_CHILDBEARING_AGE, "year", most=60),
    ),
    "rhd.preferred": says(
        "standard",
        confirm=("to_age_years",),
        to_age_years=higher(LAST_PREFERRED_AGE, "year", most=60),
    ),
    "rhd.kept_for_negative": says(
        "local", confirm=("expiring_within_d",), expiring_within_d=free(3, "day", least=0, most=35)
    ),
    "rhd.consented_fallback": says(
        "standard",
        confirm=("O", "A", "B", "AB"),
        O=fewer(_abo(RHD_FALLBACK["O-"]), "ABO group"),
        A=fewer(_abo(RHD_FALLBACK["A-"]), "ABO group"),
        B=fewer(_abo(RHD_FALLBACK["B-"]), "ABO group"),
        AB=fewer(_abo(RHD_FALLBACK["AB-"]), "ABO group"),
    ),
    "rhd.unprotected": says("standard", confirm=("allowed",), allowed=off("yes/no")),
    "rhd.lifesaving": says("standard", confirm=("allowed",), allowed=off("yes/no")),
    "rhd.del_donors": says("standard"),
    "transplant.groups": says(
        "standard",
        confirm=("red_cells_after", "platelets_after", "plasma_after"),
        red_cells_after=fixed("donor", "group"),
        platelets_after=fixed("both", "group"),
        plasma_after=fixed("both", "group"),
    ),
    "group.rare": says("standard"),
    "group.mother": says(
        "standard",
        confirm=("antibodies_to_age_d",),
        antibodies_to_age_d=fixed(MOTHER_TO_D, "day"),
    ),
    "group.disputed": says("local"),
    "rhd.asian_del": says(
        "standard", confirm=("served_as_positive",), served_as_positive=off("yes/no")
    ),
}

ANTIGENS: Table = {
    "antigen.east_asia": says(
        "standard",
        by="hospital",
        confirm=("antigens",),
        antigens=fixed(
            (
                *("C", "c", "E", "e", "M", "S", "s", "Mur", "Dia", "Dib"),
                *("Jka", "Jkb", "Fya", "Fyb"),
            ),
            "antigen",
        ),
    ),
}
