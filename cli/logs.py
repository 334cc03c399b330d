"""How our long-running processes log: one line per event to standard error, JSON or for people.

Owns the process-wide configuration of structlog and of the standard library's logging. Called once
by a process command before anything logs; never by a library or a short command.
"""

from __future__ import annotations

import logging
import sys

import structlog
from structlog.typing import Processor

from streams.settings import Settings

_CHATTY = ("aiokafka", "faust", "mode", "kafka", "uvicorn", "httpx")
"""Libraries that tell at `info` what is our business at `debug`."""


class _Quiet(logging.Filter):
    """Drops the service tree of the worker framework: `[^--Consumer]: Starting...`, at `info`."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno >= logging.WARNING or not str(record.msg).startswith("[^")


def quiet_libraries() -> None:
    """Silence libraries in a short command: what went wrong is told once, in its last line.

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
