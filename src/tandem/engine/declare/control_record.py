"""The key and the value of control records, and the name of their sender."""

from __future__ import annotations

import json
from datetime import datetime

from tandem.engine.declare.iso_time import iso_time

# A control record advances a quiet topic's watermark for its sender. It has this key, and its value has these fields:
# the sender and the event time.
CONTROL_KEY = b"__tandem_control__"
CONTROL_FIELD = "tandem_control"
CONTROL_TIME_FIELD = "event_time"


def sender_of(database: str, pipeline: str) -> str:
    """Returns the name of a job in its control records.

    Other jobs that read the same topics have another pipeline or another database.
    """
    return f"{database}/{pipeline}"


def control_value(sender: str, at: datetime) -> bytes:
    """Returns the value of a control record.

    >>> control_value(sender_of("mart", "orders"), datetime.fromisoformat("2026-11-30T12:30:00Z"))
    b'{"tandem_control": "mart/orders", "event_time": "2026-11-30T12:30:00.000Z"}'
    """
    return json.dumps({CONTROL_FIELD: sender, CONTROL_TIME_FIELD: iso_time(at)}).encode()
