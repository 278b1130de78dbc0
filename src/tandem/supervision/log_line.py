"""Parses the log lines of all services into time, level and text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

# Level names of Java, Python and mongod, and our names for them.
_LEVELS = {
    **dict.fromkeys(("TRACE", "DEBUG", "D", "D1", "D2", "D3", "D4", "D5"), "debug"),
    **dict.fromkeys(("INFO", "NOTICE", "I"), "info"),
    **dict.fromkeys(("WARN", "WARNING", "W"), "warning"),
    **dict.fromkeys(("ERROR", "FATAL", "CRITICAL", "ALERT", "EMERGENCY", "E", "F"), "error"),
}
_TIME = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?"
# `2026-11-24 10:00:00,000 WARN text`, with brackets around the time (Kafka), or as logfmt.
_TEXT = re.compile(
    rf"(?:timestamp=)?\[?(?P<time>{_TIME})\]?\s+(?:(?:level=)?(?P<level>[A-Za-z]+)\b[:\s]\s*)?(?P<text>.*)", re.DOTALL
)


@dataclass(frozen=True)
class LogLine:
    """A line of a service's log.

    Attributes:
        at: its time, with a time zone; None if the line has none.
        level: ``debug``, ``info``, ``warning`` or ``error``; None if the line has none.
        text: the rest.
        service: the service's name.
    """

    at: datetime | None
    level: str | None
    text: str
    service: str = ""

    def __str__(self) -> str:
        time = "" if self.at is None else self.at.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
        return f"{self.service:<17} {time:<24} {(self.level or '').upper():<7} {self.text}".rstrip()


def parse(line: str, service: str = "") -> LogLine:
    """Returns the parsed line of any service; a line of unknown form is all text."""
    if line.startswith("{"):
        try:
            entry: dict[str, Any] = json.loads(line)
            return replace(_of_mongod(entry) if "t" in entry else _of_tandem(entry), service=service)
        except (ValueError, KeyError, TypeError, RecursionError):
            pass
    match = _TEXT.fullmatch(line)
    if match is None:
        return LogLine(None, None, line, service)
    level = _LEVELS.get((match["level"] or "").upper())
    text = match["text"] if level or not match["level"] else line[match.start("level") :]
    return LogLine(_time(match["time"]), level, text, service)


def of_fields(fields: Mapping[str, Any], at: datetime, severity: str, service: str = "") -> LogLine:
    """Returns the line of an event whose time and severity are known.

    Args:
        fields: ``message``, ``logger`` and the event's values.
        at: the event's time, with a time zone.
        severity: a level by any program's name.
        service: the service's name.
    """
    named = ("logger", "message")
    values = (f"{name}={_value(value)}" for name, value in fields.items() if value is not None and name not in named)
    text = " ".join(filter(None, (*map(fields.get, named), *values)))
    return LogLine(at, _LEVELS.get(severity), text, service)


def _of_mongod(entry: dict[str, Any]) -> LogLine:
    attributes = json.dumps(entry["attr"], ensure_ascii=False) if "attr" in entry else ""
    return LogLine(
        _time(entry["t"]["$date"]), _LEVELS.get(entry["s"]), f"{entry['c']} {entry['msg']} {attributes}".rstrip()
    )


def _of_tandem(entry: dict[str, Any]) -> LogLine:
    """Parses a JSON line of Tandem or of Spark.

    It has time, severity, logger, message, and the event's values.
    """
    at, severity, _ = _time(entry.pop("time")), entry.pop("severity"), entry["message"]
    return of_fields(entry, at, severity)


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _time(text: str) -> datetime:
    moment = datetime.fromisoformat(text.replace(",", "."))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
