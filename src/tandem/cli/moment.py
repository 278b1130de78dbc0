"""Reads the times of options."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tandem.errors import UsageError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def moment(text: str, option: str) -> datetime:
    """Returns a time that is given as such, or as a duration before now.

    A time without a zone is in UTC.

    Args:
        text: the option's value.
        option: the option's name.

    Raises:
        UsageError: the text is neither a duration nor a time.
    """
    try:
        if text[-1:] in _UNITS:
            return datetime.now(UTC) - timedelta(seconds=float(text[:-1]) * _UNITS[text[-1]])
        time = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise UsageError(f"{option} {text!r} is not a duration or a time", hint=f"for example {option} 10m") from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
