"""Checks whether a broker answers, for readiness pages and never for a decision.

Owns one short-lived client per call; safe for concurrent tasks.
"""

from __future__ import annotations

import asyncio

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from models.errors import TransientError

_TIMEOUT_S = 2.0
"""A broker that needs longer to give its version and the cluster's metadata is too slow to use."""


async def probe_broker(bootstrap: str, *, timeout_s: float = _TIMEOUT_S) -> None:
    """Return once a broker gave the cluster's metadata.

    Args:
        bootstrap: Comma-separated host:port of the brokers.
        timeout_s: Seconds to wait at most.

    Raises:
        TransientError: `kafka_away`: no broker answered in time.
    """
    client = AIOKafkaClient(bootstrap_servers=bootstrap, client_id="xuelian-probe")
    try:
        async with asyncio.timeout(timeout_s):
            await client.bootstrap()
    except (KafkaError, OSError, TimeoutError) as error:
        cause = type(error).__name__
        raise TransientError("kafka_away", bootstrap=bootstrap, cause=cause) from error
    finally:
        await client.close()
