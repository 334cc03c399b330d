"""The check character: against an independent implementation, and what it is there to find."""

from __future__ import annotations

import random

import pytest
from stdnum.iso7064 import mod_37_2

from gateway.labels.check_characters import (
    ALPHABET,
    DIN_LENGTH,
    compute_check_character,
    compute_check_flags,
    compute_check_value,
)
from gateway.labels.isbt128 import IsbtReader
from gateway.labels.isbt128_form import read_typed
from models.errors import ContractError
from tests.support.label_writing import make_donation, render
from tests.support.labels import SHANGHAI, draw_din

READER = IsbtReader(zone=SHANGHAI)
LETTERS = ALPHABET[:-1]


@pytest.mark.parametrize(
    ("din", "character", "flags"),
    [
        ("G123417654321", "A", "70"),
        ("A999921123456", "3", "63"),
        ("G123498654321", "H", "77"),
    ],
)
def test_published_vectors(din: str, character: str, flags: str) -> None:
    assert compute_check_character(din) == character
    assert compute_check_flags(din) == flags
    assert mod_37_2.is_valid(din + character)


def test_it_agrees_with_stdnum() -> None:
    chance = random.Random(37)
    seen = set()
    for _ in range(20_000):
        din = draw_din(chance)
        character = compute_check_character(din)
        assert character == mod_37_2.calc_check_digit(din)
        seen.add(character)
    assert seen == set(ALPHABET), "every check character comes up, the asterisk too"


def test_every_wrong_character_is_found() -> None:
    """At every place, every other character: 13 × 35 changes of each number, and of the check."""
    chance = random.Random(1)
    looked_at = 0
    for _ in range(200):
        din = draw_din(chance)
        right = compute_check_value(din)
        for at in range(DIN_LENGTH):
            for other in LETTERS:
                if other == din[at]:
                    continue
                looked_at += 1
                assert compute_check_value(din[:at] + other + din[at + 1 :]) != right
    assert looked_at == 200 * DIN_LENGTH * 35


def test_every_swap_of_neighbours_is_found() -> None:
    """Every pair of characters at every place, so no pair of neighbours escapes it."""
    chance = random.Random(2)
    looked_at = 0
    for _ in range(4):
        base = draw_din(chance)
        for at in range(DIN_LENGTH - 1):
            for first in LETTERS:
                for second in LETTERS:
                    if first == second:
                        continue
                    looked_at += 1
                    head, tail = base[:at], base[at + 2 :]
                    assert compute_check_value(head + first + second + tail) != (
                        compute_check_value(head + second + first + tail)
                    )
    assert looked_at == 4 * (DIN_LENGTH - 1) * 36 * 35


def test_misread_barcodes_are_refused_by_the_reader() -> None:
    """The same through the reader: whatever still has the form is refused by its check."""
    text = render(make_donation("G123417654321"))
    assert text == "=G12341765432170"
    refused = 0
    for at in range(1, 14):
        for other in LETTERS:
            if other == text[at]:
                continue
            with pytest.raises(ContractError) as caught:
                READER.read(text[:at] + other + text[at + 1 :])
            refused += caught.value.code == "donation_check_wrong"
    # Where digits must stand, letters are refused by the form: 8 places; of the others, not O and
    # in the first place not 0 either.
    assert refused == 33 + 2 * 34 + 10 * 9


def test_swapped_digits_name_what_was_read_and_expected() -> None:
    with pytest.raises(ContractError) as caught:
        READER.read("=G12341756432170")
    assert caught.value.code == "donation_check_wrong"
    params = caught.value.params
    assert (params["number"], params["found"], params["expected"]) == ("G123417564321", "70", "65")
    assert str(params["structure"]).startswith("DS001")


def test_a_typed_number_needs_the_character_in_the_box() -> None:
    assert read_typed("G1234 17 654321 A").number == "G123417654321"
    assert read_typed("g123417654321a").number == "G123417654321"
    for typed, code in (
        ("G1234 17 654312 A", "donation_check_wrong"),
        ("G1234 17 654321", "donation_check_missing"),
        ("G1234 17 65432 A", "barcode_unknown"),
        ("O1234 17 654321 A", "barcode_unknown"),
        ("", "barcode_unknown"),
    ):
        with pytest.raises(ContractError) as caught:
            read_typed(typed)
        assert caught.value.code == code, typed
