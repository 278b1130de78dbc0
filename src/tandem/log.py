"""The log of all programs except the job, one line for each event."""

from __future__ import annotations

import logging
import os
import sys

import structlog
from structlog.typing import Processor

from tandem.engine.spark.job_log import JSON


def to_console() -> None:
    """Logs for a person at a terminal, without details such as services' commands."""
    colours = sys.stderr.isatty() and "NO_COLOR" not in os.environ
    _configure(
        structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
        structlog.dev.ConsoleRenderer(colors=colours),
        least=logging.INFO,
    )


def to_stderr(form: str) -> None:
    """Logs for a log collector.

    Args:
        form: ``text`` (logfmt) or ``json``, with the field names of the job's log.
    """
    time = structlog.processors.TimeStamper(fmt="iso", utc=True, key="time" if form == JSON else "timestamp")
    level, trace = structlog.processors.add_log_level, structlog.processors.format_exc_info
    if form == JSON:
        _configure(level, time, trace, _as_the_job, structlog.processors.JSONRenderer())
    else:
        _configure(level, time, trace, structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"]))


def _as_the_job(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    first = {"time": event.pop("time"), "severity": event.pop("level").upper(), "message": event.pop("event")}
    return {**first, **event}


def _configure(*processors: Processor, least: int = logging.DEBUG) -> None:
    # The Kafka client logs every attempt to reconnect; Tandem reports an outage once.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    # While a bar is shown, Rich replaces `sys.stderr` by a stream that writes above the bar.
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )
