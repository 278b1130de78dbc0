"""The job's log on standard error: one line for each event, as text or as JSON.

An event's values are numbers, offsets and times, never the content of a record.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from tandem.engine.declare.iso_time import iso_time

TEXT, JSON = "text", "json"


class Notice(StrEnum):
    """Lines of the job's log that alerts look for.

    infra/modules/alerts has the same texts.
    """

    STARTED = "driver started"
    COMMITTED = "batch committed"
    WAITING = "waiting for records"
    LATE = "late records dropped"
    REJECTED = "records rejected"
    SLOW = "slow batch"
    CANNOT_START = "the job cannot start"
    FAILED = "the query failed"


_VALUES = "tandem_values"


def values(**named: Any) -> dict[str, Any]:
    """Returns the logger's argument ``extra`` that adds values to a line.

    Args:
        named: values that JSON supports.
    """
    return {_VALUES: named}


def log_to_stderr(form: str) -> None:
    """Sends every log of the process to standard error.

    Args:
        form: ``text`` or ``json``.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(_JsonLine() if form == JSON else _TextLine())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("py4j").setLevel(logging.WARNING)


class _TextLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        named: dict[str, Any] = getattr(record, _VALUES, {})
        pairs = "".join(f" {name}={_text(value)}" for name, value in named.items())
        trace = f" {self.formatException(record.exc_info)}" if record.exc_info else ""
        line = f"{_time(record)} {record.levelname} {record.name} {record.getMessage()}{pairs}{trace}"
        return line.replace("\n", "\\n")


class _JsonLine(logging.Formatter):
    # The fields have the names that Google's Cloud Logging expects.
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": _time(record),
            "severity": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, _VALUES, {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _time(record: logging.LogRecord) -> str:
    return iso_time(datetime.fromtimestamp(record.created, UTC))
