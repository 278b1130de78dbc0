"""Renders event times; fast, for a generator does little else."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

_MINUTE_MS = 60_000


def iso(time_ms: int) -> str:
    """Returns milliseconds since the epoch as ISO 8601 in UTC."""
    minute, rest = divmod(time_ms, _MINUTE_MS)
    return f"{_minute(minute)}:{rest // 1000:02d}.{rest % 1000:03d}Z"


@lru_cache(maxsize=256)
def _minute(minute: int) -> str:
    return datetime.fromtimestamp(minute * 60, UTC).strftime("%Y-%m-%dT%H:%M")
