"""Formats the times of generated records; fast, as generators do little else."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import assert_never

from tandem.engine.declare.field_type import FieldType

_MINUTE_MS = 60_000


def is_time(kind: FieldType) -> bool:
    """Returns whether a sample's field of this type is a time in milliseconds since 1970."""
    match kind:
        case FieldType.TIMESTAMP:
            return True
        case FieldType.STRING | FieldType.INTEGER:
            return False
        case _:
            assert_never(kind)


def iso(time_ms: int) -> str:
    """Returns milliseconds since the epoch as ISO 8601 in UTC."""
    minute, rest = divmod(time_ms, _MINUTE_MS)
    return f"{_minute(minute)}:{rest // 1000:02d}.{rest % 1000:03d}Z"


@lru_cache(maxsize=256)
def _minute(minute: int) -> str:
    return datetime.fromtimestamp(minute * 60, UTC).strftime("%Y-%m-%dT%H:%M")
