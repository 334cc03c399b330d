"""HLA types: one written form, and the same type in other words is the same."""

from __future__ import annotations

import pytest

from models.broken_rule import BrokenRuleError
from models.hla import is_same, list_foreign, list_hit, read_hla, write_hla


@pytest.mark.parametrize(
    ("written", "form"),
    [
        ("HLA-A2", "A2"), ("a2", "A2"), ("A*0201", "A*02:01"), ("HLA-A*02:01:01:01", "A*02:01"),
        ("Cw4", "Cw4"), ("C4", "Cw4"), ("抗-HLA-B7", "B7"), ("A*24:09N", "A*24:09N"),
        ("DRB1*04:01", "DRB1*04:01"), ("B*15", "B*15"), ("CW*04:01", "C*04:01"),
    ],
)  # fmt: skip
def test_c55_a_type_has_one_written_form(written: str, form: str) -> None:
    assert write_hla(written) == form


@pytest.mark.parametrize("text", ["A99", "Bw4", "A", "2", "A2,B7", "HPA-1a", "A*2"])
def test_what_is_no_type_is_refused(text: str) -> None:
    with pytest.raises(BrokenRuleError):
        write_hla(text)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("A2", "A*02:01", True), ("A*02", "A*02:07", True), ("A*02:01", "A*02:07", False),
        ("A9", "A*24:02", True), ("A23", "A*24:02", False), ("A23", "A24", False),
        ("A19", "A*33:03", True), ("B60", "B*40:01", True), ("B61", "B*40:01", False),
        ("B40", "B*40:01", True), ("B62", "B*15:01", True), ("B75", "B*15:02", True),
        ("B70", "B*15:03", True), ("B15", "B*15:03", False), ("B*15", "B*15:03", True),
        ("B*15", "B62", False), ("B7", "A2", False), ("A203", "A*02:03", True),
        ("A2", "A*02:03", True), ("Cw10", "C*03:04", True), ("Cw9", "C*03:04", False),
        ("Cw3", "C*03:04", True), ("DR17", "DRB1*03:01", True), ("DQ7", "DQB1*03:01", True),
        ("B45", "B*50:02", True), ("B50", "B*50:02", False),
    ],
)  # fmt: skip
def test_c55_types_are_compared_at_the_level_that_both_state(
    one: str, other: str, *, same: bool
) -> None:
    first, second = read_hla(write_hla(one)), read_hla(write_hla(other))
    assert first is not None
    assert second is not None
    assert is_same(first, second) is same
    assert is_same(second, first) is same


def test_c22_what_counts_is_what_the_donor_has_besides() -> None:
    assert list_foreign(("A2", "A33", "B7", "B58"), ("A2", "B7")) == ["A33", "B58"]
    assert list_foreign(("A2", "B7"), ("A2", "A33", "B7", "B58")) == []
    assert list_foreign(("A*02:01", "B*07:02", "Cw7", "DR4"), ("A2", "B7")) == []
    assert list_foreign(("A*24:09N", "A2"), ("A2",)) == []
    assert list_foreign(("A2", "B7"), ("A2",)) == ["B7"], "a locus that nobody stated is no match"


def test_c22_antibodies_hit_what_they_may_hit() -> None:
    assert list_hit(("A2", "A33", "B7"), ("A*33:03", "B58")) == ["A33"]
    assert list_hit(("A*24:02",), ("A9",)) == ["A*24:02"]
    assert list_hit(("B*15", "B7"), ("B62",)) == ["B*15"], "it may be a B62"
    assert list_hit(("DR4",), ("DR4",)) == [], "platelets carry class I alone"
