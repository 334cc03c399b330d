"""The logs of our long-running processes: one line per event to standard error, JSON or for people.

Owns the process-wide configuration of structlog and of the standard library's logging. Called once
by a process command before anything logs; never by a library or a short command.
"""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import Callable

import structlog
from structlog.typing import Processor

from streams.settings import Settings

_CHATTY = ("aiokafka", "faust", "mode", "kafka", "uvicorn", "httpx")
"""Libraries whose `info` lines matter to us only at `debug`."""


_REPEAT_S = 30.0
"""A line that repeats is logged once in this time, with the number of lines left out."""

_LIBRARIES = ("aiokafka", "faust", "mode", "kafka")
"""Clients of Kafka. Warnings of other libraries are not throttled: they may show a bug of ours."""
_NUMBERS = re.compile(r"0x[0-9a-f]+|[0-9]+")


class Throttle(logging.Filter):
    """Lets a line that repeats pass once in half a minute, and says how many were left out.

    It applies to all lines of the Kafka clients from `warning` on, and to our lines that report an
    outage: warnings that carry an `error`. Our errors are never left out. Lines count as the same
    when only numbers differ.
    Concurrency: handlers hold a lock around their filters.
    """

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._monotonic = monotonic
        self._said: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        key = _find_repeat_key(record)
        if key is None:
            return True
        now = self._monotonic()
        said_at, left_out = self._said.get(key, (-_REPEAT_S, 0))
        if now - said_at < _REPEAT_S:
            self._said[key] = (said_at, left_out + 1)
            return False
        if len(self._said) > _MOST_KEYS:
            self._said.clear()
        self._said[key] = (now, 0)
        if left_out:
            _report_left_out(record, left_out)
        return True


_MOST_KEYS = 500


def _find_repeat_key(record: logging.LogRecord) -> tuple[str, str] | None:
    if record.levelno < logging.WARNING:
        return None
    if isinstance(record.msg, dict):
        told = record.msg
        is_outage = record.levelno == logging.WARNING and "error" in told
        parts = [str(told.get(name, "")) for name in ("event", "part", "agent", "topic", "doing")]
        return (record.name, " ".join(parts)) if is_outage else None
    if record.name.split(".")[0] in _LIBRARIES:
        return record.name, _NUMBERS.sub("#", str(record.msg))
    return None


def _report_left_out(record: logging.LogRecord, count: int) -> None:
    if isinstance(record.msg, dict):
        record.msg = {**record.msg, "left_out": count}
    else:
        record.msg = f"{record.msg} [left out: {count}]"


class _Quiet(logging.Filter):
    """Drops the service tree of the worker framework: `[^--Consumer]: Starting...`, at `info`."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno >= logging.WARNING or not str(record.msg).startswith("[^")


def quiet_libraries() -> None:
    """Silence libraries in a short command: a failure is reported once, in the last line.

    Without it they would write to standard output, which belongs to the command's answer.
    """
    logging.getLogger().addHandler(logging.NullHandler())
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def configure_logging(settings: Settings, *, process: str, as_json: bool = False) -> None:
    """Set up logging for this process.

    Args:
        settings: `log_level` and `log_format`.
        process: Stands in every line, such as `worker-urgent`.
        as_json: Log as JSON, whatever the settings say.
    """
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.reset_defaults()
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_render(as_json=as_json or settings.log_format == "json"),
            ],
        )
    )
    if level > logging.DEBUG:
        handler.addFilter(_Quiet())
        handler.addFilter(Throttle())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


def _render(*, as_json: bool) -> list[Processor]:
    if not as_json:
        return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    return [
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(ensure_ascii=False),
    ]
