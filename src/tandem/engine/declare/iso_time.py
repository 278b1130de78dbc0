"""Writes times in ISO 8601, in UTC with milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime


def iso_time(moment: datetime) -> str:
    """Returns the text of a time with a zone.

    >>> iso_time(datetime(2026, 11, 30, 12, 30, tzinfo=UTC))
    '2026-11-30T12:30:00.000Z'
    """
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def iso_time_of(ms: int) -> str:
    """Returns the text of a time in milliseconds since 1970.

    >>> iso_time_of(0)
    '1970-01-01T00:00:00.000Z'
    """
    try:
        return iso_time(datetime.fromtimestamp(ms / 1000, UTC))
    except (ValueError, OverflowError):  # before the year 1 or after 9999
        return f"{ms} ms"
