"""Times HTTP request sent → decision readable on Kafka, at a fixed rate in an open loop.

A plain consumer in this process follows the log, as a hospital or a neighbouring station would.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from itertools import count
from typing import Any

import aiohttp

from bench.bench_data import build_requests
from bench.cost_floors import Rate
from bench.kafka import DecisionLog
from bench.percentiles import open_loop
from models.requests import UrgentRequest

_RUNS = count()


async def time_requests(
    session: aiohttp.ClientSession, url: str, log: DecisionLog, rate: Rate
) -> tuple[list[float], list[float]]:
    """Send requests at a rate.

    Returns:
        Seconds from each request's beat until its decision was readable on Kafka, and until HTTP
        answered 202.
    """
    run = f"bench-{next(_RUNS)}-{time.time_ns()}"
    requests = build_requests(round(rate.rate_hz * rate.seconds), now=datetime.now(UTC), prefix=run)
    due_at: dict[str, float] = {}
    answered: list[float] = []

    async def call(number: int, due: float) -> None:
        request = requests[number]
        headers = {"Idempotency-Key": request.request_id}
        body = _to_body(request)
        async with session.post(f"{url}/v1/requests", json=body, headers=headers) as response:
            told = await response.json()
            response.raise_for_status()
        answered.append(time.perf_counter() - due)
        due_at[told["request_id"]] = due

    await open_loop(rate_hz=rate.rate_hz, seconds=rate.seconds, call=call)
    await log.wait_for(due_at)
    return [log.seen_at[key] - due for key, due in due_at.items()], answered


def _to_body(request: UrgentRequest) -> dict[str, Any]:
    return request.model_dump(
        mode="json", exclude_none=True, exclude={"request_id", "station_id"}, exclude_defaults=True
    )
