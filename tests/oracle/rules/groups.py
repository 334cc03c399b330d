"""Which groups go together, and who is protected: the values as the sources give them.

Lifeblood's component compatibility; Victoria's cap of unconfirmed O RhD-; the Chinese RhD-
emergency fallback; Blood 2023;141:2141 for Asian-type DEL; the antigens that matter in East Asia.
"""

from __future__ import annotations

from tests.oracle.rules.saying import Table, fewer, fixed, free, higher, lower, off, says

COMPATIBILITY: Table = {
    "red_cells.abo": says(
        "standard",
        O=fixed(("O",), "ABO group"),
        A=fewer(("A", "O"), "ABO group", keeps=("A",)),
        B=fewer(("B", "O"), "ABO group", keeps=("B",)),
        AB=fewer(("AB", "A", "B", "O"), "ABO group", keeps=("AB",)),
    ),
    "plasma.abo": says(
        "standard",
        O=fewer(("O", "A", "B", "AB"), "ABO group", keeps=("O",)),
        A=fewer(("A", "AB"), "ABO group", keeps=("A",)),
        B=fewer(("B", "AB"), "ABO group", keeps=("B",)),
        AB=fixed(("AB",), "ABO group"),
    ),
    "platelets.abo": says(
        "standard",
        O=fewer(("O", "A", "B", "AB"), "ABO group", keeps=("O",)),
        A=fewer(("A", "AB"), "ABO group", keeps=("A",)),
        B=fewer(("B", "AB"), "ABO group", keeps=("B",)),
        AB=fixed(("AB",), "ABO group"),
    ),
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
        confirm=("female_rhd_negative_to_age_years", "male_rhd_negative_to_age_years"),
        female_rhd_negative_to_age_years=higher(50, "year", most=60),
        male_rhd_negative_to_age_years=higher(18, "year", most=60),
    ),
    "patient.estimated_age": says(
        "local", confirm=("margin_years",), margin_years=higher(10, "year", most=30)
    ),
    "unknown.o_negative_cap": says(
        "local", confirm=("o_negative_units",), o_negative_units=lower(4, "unit", least=1)
    ),
    "rhd.anti_d": says("standard"),
    "rhd.childbearing": says(
        "standard",
        confirm=("female_from_age_years", "female_to_age_years"),
        female_from_age_years=fixed(0, "year"),
        female_to_age_years=higher(50, "year", most=60),
    ),
    "rhd.preferred": says("standard"),
    "rhd.kept_for_negative": says(
        "local", confirm=("expiring_within_d",), expiring_within_d=free(3, "day", least=0, most=35)
    ),
    "rhd.consented_fallback": says(
        "standard",
        confirm=("O", "A", "B", "AB"),
        O=fewer(("O",), "ABO group"),
        A=fewer(("A", "O"), "ABO group"),
        B=fewer(("B", "O"), "ABO group"),
        AB=fewer(("AB", "A", "B", "O"), "ABO group"),
    ),
    "rhd.asian_del": says(
        "standard", confirm=("served_as_positive",), served_as_positive=off("yes/no")
    ),
}

ANTIGENS: Table = {
    "antigen.east_asia": says(
        "standard",
        by="hospital",
        antigens=fixed(("C", "c", "E", "e", "Mur", "Dia", "Jka", "Jkb", "Fya", "Fyb"), "antigen"),
    ),
}
