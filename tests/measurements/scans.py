"""`python -m tests.measurements.scans`: barcodes a second on one core, beside its floor.

Processor seconds of this one thread, so that other work on the machine does not count; floor and
reader in turn, so that a drift of the machine's speed falls on both. Nothing is read twice within
a round but what repeats on real labels: products, groups, and the minutes of expiry.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from statistics import median

from bench.results import MeasuredCheck, inform, print_checks, within, write_result
from gateway.labels.bags import assemble
from gateway.labels.barcode_values import ProductCode
from gateway.labels.check_characters import compute_check_character
from gateway.labels.label_dates import find_instant
from gateway.labels.label_file import LabelBook, parse_label_book
from gateway.labels.label_reader import LabelReader
from gateway.scans.batch import MAX_LINES
from models.errors import ContractError
from models.groups import BloodGroup
from tests.support.label_writing import make_donation, make_group, render

GOAL_PER_S = 100_000
_PRODUCTS = ("EX001V00", "EX002V00", "EX003V00", "EX004V00")
_LOCAL_GROUPS = "12345678"


@dataclass(frozen=True, slots=True, kw_only=True)
class Barcodes:
    """The barcodes to read, by kind.

    Attributes:
        linear: Four barcodes a bag, every donation number with its check character.
        compound: The same bags as one compound message each.
        misread: Donation numbers with two adjacent digits swapped: all are refused.
        local: Three barcodes a bag in the example station's own form.
    """

    linear: list[str]
    compound: list[str]
    misread: list[str]
    local: list[str]


def make_barcodes(bags: int, *, seed: int = 128) -> Barcodes:
    """Make the barcodes of `bags` bags, in the order of a scanner."""
    chance = random.Random(seed)
    linear, compound, misread, local = [], [], [], []
    for number in range(bags):
        parts = _make_bag(chance, number)
        linear += parts
        compound.append("=+04000" + "".join(parts))
        misread.append(_swap(parts[0]))
        local += _make_local_bag(chance, number)
    return Barcodes(linear=linear, compound=compound, misread=misread, local=local)


def _make_bag(chance: random.Random, number: int) -> list[str]:
    din = f"{chance.choice('ABCDEFGHW')}{chance.randrange(10_000):04d}25{number % 10**6:06d}"
    day, minute = chance.randrange(1, 366), 2359
    if chance.random() < 0.2:
        minute = chance.randrange(24) * 100 + chance.randrange(60)
    return [
        render(make_donation(din)),
        render(ProductCode(chance.choice(_PRODUCTS))),
        render(make_group(chance.choice(list(BloodGroup)))),
        f"&>025{day:03d}{minute:04d}",
    ]


def _make_local_bag(chance: random.Random, number: int) -> list[str]:
    din = f"6543225{number % 10**6:06d}"
    month, day = chance.randrange(1, 13), chance.randrange(1, 29)
    return [
        din + compute_check_character(din),
        "P0011",
        f"X{chance.choice(_LOCAL_GROUPS)}25{month:02d}{day:02d}2359",
    ]


def _swap(text: str) -> str:
    """Swap the last two adjacent digits of the number that differ."""
    at = next(at for at in range(12, 1, -1) if text[at] != text[at + 1])
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]


def _read_all(reader: LabelReader, texts: Sequence[str]) -> None:
    read = reader.read
    for text in texts:
        read(text)


def _refuse_all(reader: LabelReader, texts: Sequence[str]) -> None:
    refused = 0
    for text in texts:
        try:
            reader.read(text)
        except ContractError:
            refused += 1
    if refused != len(texts):
        raise RuntimeError(f"only {refused} of {len(texts)} misread barcodes were refused")


def _assemble_all(book: LabelBook, texts: Sequence[str]) -> None:
    """Assemble all bags, in calls as long as the gateway accepts and of whole bags."""
    for first in range(0, len(texts), MAX_LINES):
        session = assemble(texts[first : first + MAX_LINES], book)
        if any(bag.label is None for bag in session.bags):
            raise RuntimeError("a bag was refused: its figure says nothing")


def _split_all(texts: Sequence[str]) -> None:
    """Run the floor: only the loop, and the identifier cut off."""
    for text in texts:
        _ = text[:2], text[2:]


def _time(work: Callable[[], None]) -> float:
    """Time a round, with no date cached from an earlier round."""
    find_instant.cache_clear()
    began = time.process_time()
    work()
    return time.process_time() - began


def measure(*, bags: int, rounds: int) -> list[MeasuredCheck]:
    """Read the labels of `bags` bags `rounds` times, floor and reader in turn."""
    text = files("gateway.labels").joinpath("example.toml").read_text(encoding="utf-8")
    book = parse_label_book(text.encode(), name="example.toml")
    barcodes = make_barcodes(bags)
    reader = book.reader
    works: dict[str, tuple[int, Callable[[], None]]] = {
        "floor": (len(barcodes.linear), lambda: _split_all(barcodes.linear)),
        "decoded": (len(barcodes.linear), lambda: _read_all(reader, barcodes.linear)),
        "compound": (len(barcodes.compound), lambda: _read_all(reader, barcodes.compound)),
        "refused": (len(barcodes.misread), lambda: _refuse_all(reader, barcodes.misread)),
        "local": (len(barcodes.local), lambda: _read_all(reader, barcodes.local)),
        "bags": (bags, lambda: _assemble_all(book, barcodes.linear)),
    }
    per_s: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, (count, work) in works.items():
            per_s[name].append(count / _time(work))
    middle = {name: median(rates) for name, rates in per_s.items()}
    return [
        within(
            "scans.decoded_per_s", middle["decoded"], unit="barcodes/s", bound=GOAL_PER_S, side=">="
        ),
        inform("scans.floor_per_s", middle["floor"], unit="barcodes/s"),
        inform("scans.ratio", middle["decoded"] / middle["floor"], unit="×"),
        inform("scans.compound_per_s", middle["compound"], unit="messages/s"),
        inform("scans.compound_structures_per_s", 4 * middle["compound"], unit="structures/s"),
        inform("scans.local_per_s", middle["local"], unit="barcodes/s"),
        inform("scans.refused_per_s", middle["refused"], unit="barcodes/s"),
        inform("scans.bags_per_s", middle["bags"], unit="bags/s"),
        inform("scans.bags_barcodes_per_s", 4 * middle["bags"], unit="barcodes/s"),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.measurements.scans", description=__doc__)
    parser.add_argument("--bags", type=int, default=25_000, help="four barcodes each")
    parser.add_argument("--rounds", type=int, default=7, help="floor and reader in turn, so often")
    parser.add_argument("--out", type=Path, default=Path("build"))
    asked = parser.parse_args()
    started_at = datetime.now(UTC)
    checks = measure(bags=asked.bags, rounds=asked.rounds)
    print_checks("血联 · 扫码解码与校验 · Barcodes decoded and checked", checks)
    path = write_result("scans", checks, started_at=started_at, folder=asked.out)
    print(f"结果 · results: {path}")
    return 0 if all(check.holds for check in checks) else 1


if __name__ == "__main__":
    sys.exit(main())
