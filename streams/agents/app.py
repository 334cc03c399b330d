"""Builds the Faust apps, one per consumer group, and replaces every default that could do harm.

Owns the configuration of Faust. Registers no agent and opens no connection; `worker.py` runs what
is built here. An app belongs to the event loop it is built in.
"""

from __future__ import annotations

from typing import Any

import faust
import faust.streams
from faust.app.base import BootStrategy
from faust.tables.manager import TableManager
from faust.types.transports import TransportT
from mode import CrashingSupervisor
from yarl import URL

from models.errors import ConfigurationError
from models.topics import MAX_MESSAGE_BYTES, PARTITIONS
from streams.kafka.faust_adapter import SafeTransport
from streams.settings import Settings

SESSION_TIMEOUT_S = 8.0
"""A dead worker's partitions wait this long for a new owner; a shorter time would drop live workers
that pause for a garbage collection or a slow disk."""

_HEARTBEAT_S = SESSION_TIMEOUT_S / 3
_COMMIT_INTERVAL_S = 0.5
"""Records acknowledged since the last commit are read again after a crash: half a second of
work."""

_REQUEST_TIMEOUT_S = 20.0
_REBALANCE_TIMEOUT_S = 20.0
_POLL_INTERVAL_S = 600.0
"""Retrying in place while PostgreSQL is away must not cost a worker its partitions."""

_POLL_RECORDS = 500
_STREAM_BUFFER_RECORDS = 512
"""Bounds the memory of a backlog: 512 records of at most 1 MB, in practice of 1 kB."""


class _Boot(BootStrategy):
    """Starts no producer and no web server: what we publish goes through the outbox."""

    enable_kafka_producer = False
    enable_web = False


class _Tables(TableManager):
    """Skips Faust's wait of a second for tables of modules to be imported: ours are registered."""

    async def on_start(self) -> None:
        await self._update_channels()
        await self.recovery.start()


class XuelianApp(faust.App):
    """A Faust app on the transport that never commits past a record in flight."""

    BootStrategy = _Boot

    def _new_transport(self) -> TransportT:
        return SafeTransport(self.conf.broker_consumer, self)

    def _new_producer_transport(self) -> TransportT:
        return SafeTransport(self.conf.broker_producer, self)


def build_app(*, settings: Settings, app_name: str) -> faust.App:
    """Build the app of one consumer group.

    Args:
        settings: Names the brokers and the folder for Faust's own files.
        app_name: The consumer group, an `AppName`; workers of the same name share its partitions.

    Raises:
        ConfigurationError: Faust lacks its compiled extensions, or the address is wrong.
    """
    ensure_compiled()
    datadir = settings.state_dir / "faust" / app_name
    datadir.mkdir(parents=True, exist_ok=True)
    return XuelianApp(
        app_name,
        broker=_read_brokers(settings.kafka_bootstrap),
        broker_client_id=app_name,
        datadir=str(datadir),
        consumer_group_instance_id=settings.worker_id,
        **_reading(),
        **_nothing_of_its_own(settings),
    )


def ensure_compiled() -> None:
    """Refuse Faust's pure-Python streams: they acknowledge records of partitions already lost.

    Raises:
        ConfigurationError: The extensions are missing, or `NO_CYTHON` is set.
    """
    # Faust has no public way to ask which of its two implementations it took.
    if getattr(faust.streams, "_CStreamIterator", None) is None:
        raise ConfigurationError(
            "faust_not_compiled",
            change="install the faust-streaming wheel for this platform and unset NO_CYTHON",
        )


def _reading() -> dict[str, Any]:
    """Return settings to read raw, acknowledge by hand and notice soon when a worker dies."""
    return {
        "key_serializer": "raw",
        "value_serializer": "raw",
        "processing_guarantee": "at_least_once",
        "consumer_auto_offset_reset": "earliest",
        "consumer_max_fetch_size": MAX_MESSAGE_BYTES + 65_536,
        "broker_session_timeout": SESSION_TIMEOUT_S,
        "broker_heartbeat_interval": _HEARTBEAT_S,
        "broker_request_timeout": _REQUEST_TIMEOUT_S,
        "broker_rebalance_timeout": _REBALANCE_TIMEOUT_S,
        "broker_max_poll_interval": _POLL_INTERVAL_S,
        "broker_max_poll_records": _POLL_RECORDS,
        "broker_commit_interval": _COMMIT_INTERVAL_S,
        # Commits go by time alone: a commit during a fetch would hold up the urgent path.
        "broker_commit_every": 1_000_000_000,
        "stream_buffer_maxsize": _STREAM_BUFFER_RECORDS,
        "stream_wait_empty": False,
        "stream_recovery_delay": 0.0,
        "agent_supervisor": CrashingSupervisor,
    }


def _nothing_of_its_own(settings: Settings) -> dict[str, Any]:
    """Return settings that turn off Faust's own topics, web server, discovery and logging."""
    return {
        "autodiscover": False,
        "topic_allow_declare": False,
        "topic_disable_leader": True,
        "topic_partitions": PARTITIONS,
        "topic_replication_factor": settings.kafka_replication,
        "reply_create_topic": False,
        "web_enabled": False,
        "worker_redirect_stdouts": False,
        "store": "memory://",
        "TableManager": _Tables,
        # This keeps the plain round-robin assignment; with tables an app gets Faust's own.
        "table_standby_replicas": 0,
    }


def _read_brokers(bootstrap: str) -> list[URL]:
    brokers = [URL(f"kafka://{part.strip()}") for part in bootstrap.split(",") if part.strip()]
    if not brokers or any(broker.host is None or broker.port is None for broker in brokers):
        raise ConfigurationError(
            "kafka_bootstrap_wrong", found=bootstrap, expected="host:port[,host:port]"
        )
    return brokers
