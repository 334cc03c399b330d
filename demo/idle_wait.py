"""Waits until the workers have come to rest, by the metrics on their probes.

A check of a system that still works would count messages on their way as lost. At rest means that
every record that was read has been decided, and that nothing new was read for a while.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import httpx
from prometheus_client.parser import text_string_to_metric_families

_LOOK_EVERY_S = 0.25
_QUIET_LOOKS = 5

_IN, _DROPPED = "xuelian_records_in_total", "xuelian_records_dropped_total"
_DECIDED = "xuelian_batch_records_sum"

Counts = dict[str, float]


async def wait_for_rest(probes: Iterable[str], *, patience_s: float) -> bool:
    """Wait until nothing is in flight.

    Args:
        probes: Addresses of the workers' probes.
        patience_s: Real seconds to wait at most.

    Returns:
        Whether they came to rest in time.

    Raises:
        httpx.HTTPError: A worker does not answer, so it has ended.
    """
    addresses = list(probes)
    before: list[Counts] = []
    quiet = 0
    async with httpx.AsyncClient(trust_env=False) as client:
        for _ in range(round(patience_s / _LOOK_EVERY_S)):
            now = [await _read(client, address) for address in addresses]
            is_quiet = now == before and all(_is_idle(counts) for counts in now)
            quiet = quiet + 1 if is_quiet else 0
            if quiet == _QUIET_LOOKS:
                return True
            before = now
            await asyncio.sleep(_LOOK_EVERY_S)
    return False


def _is_idle(counts: Counts) -> bool:
    return counts[_IN] == counts[_DECIDED] + counts[_DROPPED]


async def _read(client: httpx.AsyncClient, address: str) -> Counts:
    response = await client.get(f"{address}/metrics")
    response.raise_for_status()
    return read_counts(response.text)


def read_counts(text: str) -> Counts:
    """Sum the three counters over all agents of one worker's metrics page."""
    counts = dict.fromkeys((_IN, _DECIDED, _DROPPED), 0.0)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name in counts:
                counts[sample.name] += sample.value
    return counts
