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
# What parsing raises for lines of other programs: another type, no such key, no such day, too deep.
_FOREIGN = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


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
    try:
        return replace(_of_json(line) if line.startswith("{") else _of_text(line), service=service)
    except _FOREIGN:
        return LogLine(None, None, line, service)


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
    first = (_value(fields[name]) for name in named if fields.get(name))
    text = " ".join((*first, *values))
    return LogLine(at, _LEVELS.get(severity), text, service)


def _of_json(line: str) -> LogLine:
    entry: dict[str, Any] = json.loads(line)
    return _of_mongod(entry) if "t" in entry else _of_tandem(entry)


def _of_text(line: str) -> LogLine:
    match = _TEXT.fullmatch(line)
    if match is None:
        raise ValueError("no known form")
    level = _LEVELS.get((match["level"] or "").upper())
    text = match["text"] if level or not match["level"] else line[match.start("level") :]
    return LogLine(_time(match["time"]), level, text)


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
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
