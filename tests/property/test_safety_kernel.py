"""The safety kernel against the oracle in the large spaces; the count of cases is printed.

Spaces are gone through in two processes; each stops at a handful of differences. The small spaces
are gone through by `tests/unit/test_safety_kernel.py`.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import pytest

from models.components import Component
from tests.support.kernel_cases import Case, compare, list_kinds
from tests.support.kernel_classes import find_misfits
from tests.support.kernel_groups import donors_of_del, groups, special_groups
from tests.support.kernel_releases import releases
from tests.support.kernel_spaces import antigens, demands, mixtures
from tests.support.kernel_states import states

LEAST_CASES = 1_250_000
Space = Callable[[], Iterator[Case]]
WHOLE: dict[str, Space] = {
    **{f"mixtures {seed}": partial(mixtures, 10_000, seed=seed) for seed in range(396, 400)},
    "demands": demands,
    "antigens": antigens,
}
BY_COMPONENT: dict[str, Callable[[list[Component]], Iterator[Case]]] = {
    "groups": groups,
    "special_groups": special_groups,
    "releases": releases,
    "states": states,
    "donors_of_del": donors_of_del,
}
CLASSES = "classes"


def go_through(space: str, component: Component | None) -> tuple[str, int, list[str]]:
    """Compare one space, or one component of one; runs in a process of its own."""
    if space == CLASSES and component is not None:
        return space, *find_misfits([component])
    cases = WHOLE[space]() if component is None else BY_COMPONENT[space]([component])
    count, differing = compare(cases)
    return space.split(maxsplit=1)[0], count, list(list_kinds(differing))


@pytest.mark.exhaustive
@pytest.mark.timeout(900)
def test_kernel_and_oracle_agree_in_every_case_of_the_large_spaces(
    capsys: pytest.CaptureFixture[str],
) -> None:
    parts: list[tuple[str, Component | None]] = [(space, None) for space in WHOLE]
    parts += [(space, component) for space in (*BY_COMPONENT, CLASSES) for component in Component]
    counts: dict[str, int] = {}
    differing: list[str] = []
    # Started anew, not forked: the session's event loop has threads.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=2, mp_context=context) as pool:
        for space, count, kinds in pool.map(go_through, *zip(*parts, strict=True)):
            counts[space] = counts.get(space, 0) + count
            differing += kinds
    with capsys.disabled():
        told = ", ".join(f"{space} {count:,}" for space, count in counts.items())
        print(  # noqa: T201 - the figure is asked for
            f"\n{sum(counts.values()):,} cases of the safety kernel ({told}), "
            f"{len(differing)} kinds of difference"
        )
    assert not differing, "\n".join(differing)
    assert sum(counts.values()) >= LEAST_CASES
