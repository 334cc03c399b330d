"""`python -m tests.life`: drive sequences of steps; writes `build/life/result.json`."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random

from bench.results import MeasuredCheck, inform, print_checks, within, write_result
from models.unit_states import MOVES
from streams.clock import SystemClock
from tests.life.drive import Drive
from tests.life.memory_system import MemorySystem
from tests.life.model import BreachError

_TELL_EVERY = 500


async def drive(*, sequences: int, steps: int, seed: int) -> list[MeasuredCheck]:
    """Drive `sequences` sequences, each on a system of its own; print a breach with its seed."""
    breaches: list[str] = []
    moves: Counter[tuple[str, str]] = Counter()
    taken: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    began = time.perf_counter()
    for number in range(sequences):
        system = MemorySystem()
        sequence = Drive(system, chance=Random(seed + number))
        try:
            await sequence.run(steps)
        except BreachError as breach:
            breaches.append(f"seed {seed + number}: {breach}")
            print(breaches[-1], file=sys.stderr)
        moves.update(
            (step.from_state, step.to_state)
            for step in system.engine.steps
            if step.subject_kind == "unit"
        )
        taken.update(sequence.taken)
        refused.update(system.engine.refusals)
        if (number + 1) % _TELL_EVERY == 0:
            print(f"  {number + 1} / {sequences}", file=sys.stderr)
    seconds = time.perf_counter() - began
    known = {(start or "", str(end)) for start, end in MOVES}
    told = [inform(f"steps_{name}", count, unit="steps") for name, count in sorted(taken.items())]
    told += [
        inform(f"refused_{code}", count, unit="records") for code, count in sorted(refused.items())
    ]
    rarest = min((moves[kind] for kind in known), default=0)
    return [
        within("breaches", len(breaches), unit="sequences", bound=0, side="<="),
        within("sequences", sequences, unit="sequences", bound=sequences, side=">="),
        inform("steps", taken.total(), unit="steps"),
        inform("unit_moves", moves.total(), unit="moves"),
        # A kind of move that never occurred was not tested.
        within(
            "kinds_of_moves_seen",
            len(moves.keys() & known),
            unit="kinds",
            bound=len(known),
            side=">=",
        ),
        inform("rarest_kind_of_move_seen", rarest, unit="moves"),
        inform("seconds", seconds, unit="s"),
        *told,
    ]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.life", description=__doc__)
    parser.add_argument(
        "--sequences", type=int, default=10_000, help="far fewer miss the rarest kinds of moves"
    )
    parser.add_argument("--steps", type=int, default=60, help="of each sequence")
    parser.add_argument("--seed", type=int, default=0, help="of the first sequence")
    parser.add_argument("--out", type=Path, default=Path("build"))
    asked = parser.parse_args()
    started_at = SystemClock().now()
    checks = asyncio.run(drive(sequences=asked.sequences, steps=asked.steps, seed=asked.seed))
    print_checks("血袋的一生，对照朴素模型 · The life of units against a plain model", checks)
    path = write_result("life", checks, started_at=started_at, folder=asked.out)
    print(f"结果 · results: {path}")
    return 0 if all(check.holds for check in checks) else 1


if __name__ == "__main__":
    sys.exit(main())
