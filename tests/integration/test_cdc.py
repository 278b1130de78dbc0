"""The pipeline of docs/guides/cdc.md, on real programs: all of Debezium's records are accounted for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bson.decimal128 import Decimal128
from confluent_kafka import Producer
from pymongo import MongoClient

from tests import STATE
from tests.debezium import RECORDS, ROW, TIME_MS, write_pipeline
from tests.environment import Environment

EPOCH = datetime(1970, 1, 1)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Environment]:
    write_pipeline(tmp_path, "pipelines")
    extra = (
        ("TANDEM_PIPELINE", "order_changes"),
        ("TANDEM_PIPELINES_DIR", str(tmp_path / "pipelines")),
        ("TANDEM_JOB__IDLE_TIMEOUT_SECONDS", "3600"),
    )
    environment = Environment(STATE / "changes", 29770, extra)
    with environment.started():
        yield environment


def documents(environment: Environment) -> dict[str, dict[str, Any]]:
    address = f"mongodb://127.0.0.1:{environment.first_port + 2}/?directConnection=true"
    with MongoClient[dict[str, Any]](address) as client:
        return {each.pop("_id"): each for each in client["order_changes"]["order_changes"].find()}


def test_each_change_is_a_document_and_each_record_is_accounted_for(running: Environment) -> None:
    producer = Producer({"bootstrap.servers": running.bootstrap})
    for key, value in RECORDS:
        producer.produce("shop.public.orders", value, key)
    assert producer.flush(30) == 0
    running.wait("all records", lambda: running.caught_up() and len(documents(running)) == 5)
    report = json.loads(running.tandem("verify", "--json").stdout)
    assert report["ok"]
    counts = {name: report["total"][name] for name in ("consumed", "stored", "repeated", "dead", "ignored")}
    assert counts == {"consumed": len(RECORDS), "stored": 5, "repeated": 1, "dead": 4, "ignored": 1}
    job = running.status()["job"]
    assert job["input_rows_total"] >= len(RECORDS)
    assert job["dead_letters_total"] == 4
    changed_at = EPOCH + timedelta(milliseconds=TIME_MS)
    found = documents(running)
    assert found['{"id":1001}|25685900'] == {
        "order_id": 1001,
        "op": "u",
        "changed_at": changed_at,
        "lsn": 25685900,
        "customer": "ada",
        "total": Decimal128("30.50"),
        "coupon": "WELCOME",
        "ordered_at": EPOCH + timedelta(milliseconds=ROW["ordered_at"] // 1000),
    }
    assert found['{"id":1001}|25686100'] == {"order_id": 1001, "op": "d", "changed_at": changed_at, "lsn": 25686100}
