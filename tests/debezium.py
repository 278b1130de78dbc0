"""Changes of a table as Debezium's connector for PostgreSQL writes them, with Kafka Connect's JsonConverter."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tandem.catalog import PipelineLocation, find
from tests import ROOT
from tests.readme import blocks_of

PAGE = ROOT / "docs" / "guides" / "cdc.md"
TIME_MS = 1_767_261_600_323
# An order of 30.50, as of 1767261600123456 microseconds.
ROW = {"id": 1001, "customer": "ada", "total": "C+o=", "coupon": None, "ordered_at": 1_767_261_600_123_456}
# What is left of a deleted row with REPLICA IDENTITY DEFAULT: its key, and defaults for what must not be null.
LEFT = {"id": 1001, "customer": "", "total": "AA==", "coupon": None, "ordered_at": 0}


def source(lsn: int, **more: Any) -> dict[str, Any]:
    return {
        "version": "3.0.0.Final",
        "connector": "postgresql",
        "name": "shop",
        "ts_ms": TIME_MS,
        "snapshot": "false",
        "db": "shop",
        "sequence": f'["{lsn - 56}","{lsn}"]',
        "ts_us": TIME_MS * 1000 + 456,
        "ts_ns": (TIME_MS * 1000 + 456) * 1000,
        "schema": "public",
        "table": "orders",
        "txId": 740,
        "lsn": lsn,
        "xmin": None,
        **more,
    }


def change(op: str, before: Any, after: Any, lsn: int, *, sent_ms: int = TIME_MS + 516, **more: Any) -> dict[str, Any]:
    sent = {"ts_ms": sent_ms, "ts_us": sent_ms * 1000 + 757, "ts_ns": (sent_ms * 1000 + 757) * 1000}
    return {"before": before, "after": after, "source": source(lsn, **more), "transaction": None, "op": op, **sent}


KEY = b'{"id":1001}'
SNAPSHOT = change(
    "r", None, {**ROW, "id": 1000, "total": "/w==", "coupon": ""}, 25685600, snapshot="first_in_data_collection"
)
SAME_LSN = change("r", None, {**ROW, "id": 999, "total": "AOjUpQ//"}, 25685600, snapshot="last")
INSERT = change("c", None, ROW, 25685672)
AGAIN = change("c", None, ROW, 25685672, sent_ms=TIME_MS + 90_000)
UPDATE = change("u", None, {**ROW, "coupon": "WELCOME"}, 25685900)
DELETE = change("d", LEFT, None, 25686100)
# Neither is as declared: another operation, and a total of thirteen digits.
TRUNCATE = change("t", None, None, 25686200)
TOO_LARGE = change("c", None, {**ROW, "total": "AOjUpRAA"}, 25686300)

RECORDS: list[tuple[bytes | None, bytes | None]] = [
    (b'{"id":1000}', json.dumps(SNAPSHOT).encode()),
    (b'{"id":999}', json.dumps(SAME_LSN).encode()),
    (KEY, json.dumps(INSERT).encode()),
    (KEY, json.dumps(UPDATE).encode()),
    (KEY, json.dumps(AGAIN).encode()),
    (KEY, json.dumps(DELETE).encode()),
    (KEY, None),
    (KEY, b""),
    (None, json.dumps(INSERT).encode()),
    (KEY, json.dumps(TRUNCATE).encode()),
    (KEY, json.dumps(TOO_LARGE).encode()),
]


def wrapped(value: dict[str, Any]) -> dict[str, Any]:
    """Returns a change as the converter writes it with ``schemas.enable``."""
    fields = [{"type": "int64", "optional": False, "field": "id"}]
    schema = {
        "type": "struct",
        "fields": fields,
        "optional": False,
        "name": "shop.public.orders.Envelope",
        "version": 2,
    }
    return {"schema": schema, "payload": value}


def write_pipeline(folder: Path, package: str) -> PipelineLocation:
    """Returns the page's pipeline, written into a package of a folder that is on Python's path."""
    own = folder / package
    for name, code in zip(("transform", "oracle"), blocks_of(PAGE, "python"), strict=True):
        file = own / "order_changes" / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(code.replace("pipelines.order_changes", f"{package}.order_changes"), "utf-8")
    return find("order_changes", own)
