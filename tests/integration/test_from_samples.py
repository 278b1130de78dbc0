"""`docs/guides/from_samples.md`: its commands, and what another program's records become."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from bson.decimal128 import Decimal128
from kafka import KafkaProducer
from pymongo import MongoClient

from tests import ROOT, STATE
from tests.environment import Environment
from tests.readme import commands_of, run
from tests.sample_files import JOINS, SAMPLES, SCHEMAS, lines

PAGE = "guides/from_samples.md"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the page's sample files."""
    text = (ROOT / "docs" / PAGE).read_text("utf-8")
    orders, payments = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    (tmp_path / "orders.jsonl").write_text(orders, "utf-8")
    (tmp_path / "payments.jsonl").write_text(payments, "utf-8")
    return tmp_path


@pytest.fixture
def environment(folder: Path) -> Iterator[Environment]:
    extra = (("TANDEM_PIPELINES_DIR", str(folder / "pipelines")), ("TANDEM_JOB__IDLE_TIMEOUT_SECONDS", "600"))
    found = Environment(STATE / "samples", 29930, extra)
    with found.cleared():
        yield found


def test_every_command_of_the_page_works(environment: Environment, folder: Path) -> None:
    variables = {**environment.variables, "PATH": f"{Path(sys.executable).parent}:{environment.variables['PATH']}"}
    found = commands_of(PAGE)
    assert found[0] == "tandem new shop --from orders.jsonl --join payments.jsonl"
    for command in found:
        done = run(command, variables, folder)
        if command.endswith(" run"):
            assert "every record is accounted for" in done.stdout
        if "topic:" in command:
            assert "identity: order_id (unique in" in done.stderr
    assert environment.processes() == []


def test_another_programs_records_become_the_expected_documents(environment: Environment, folder: Path) -> None:
    files = (str(folder / "orders.jsonl"), str(folder / "payments.jsonl"))
    environment.tandem("new", "shop", "--from", files[0], "--join", files[1])
    environment.tandem("--pipeline", "shop", "up", "--wait")
    ordered_ms = int(time.time() * 1000) - 60_000
    items = (
        '[{"sku": "K-1", "price": 19.95, "count": 2, "tags": ["red", "blue"]}, '
        '{"sku": "é", "price": 0, "count": 1, "tags": []}]'
    )
    orders = [
        f'{{"order_id": "B|1", "created_at": {ordered_ms}, "customer": {{"id": 17}}, "total": 59.90, "paid": true, '
        f'"items": {items}, "coupon": null, "unknown": [1.5]}}',
        f'{{"order_id": "B2", "created_at": {ordered_ms}, "customer": {{"id": 1, "email": "a@b"}}, "total": 7, '
        '"paid": false, "items": [], "coupon": "X"}',
    ]
    payments = [
        f'{{"payment_id": "Q1", "order_id": "B|1", "created_at": {ordered_ms + 1500}, "amount": 59.9, '
        '"method": "card", "refunded": false, "note": "n"}',
        f'{{"payment_id": "Q2", "order_id": "B2", "created_at": {ordered_ms - 1500}, "amount": 7.00, '
        '"method": "card", "refunded": true}',
        # Not as declared, so no document.
        f'{{"payment_id": "Q3", "order_id": "B2", "created_at": {ordered_ms}, "amount": 7.001, '
        '"method": "card", "refunded": true}',
        f'{{"payment_id": "Q4", "order_id": "B2", "created_at": {ordered_ms}, "amount": "seven", '
        '"method": "card", "refunded": true}',
    ]
    producer = KafkaProducer(bootstrap_servers=environment.bootstrap)
    for topic, values in (("shop_orders_v1", orders), ("shop_payments_v1", payments)):
        for value in values:
            producer.send(topic, value=value.encode()).get(30)
    producer.close()

    def at(milliseconds: int) -> datetime:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)

    expected: dict[str, dict[str, Any]] = {
        r"B\|1|Q1": {
            "order_id": "B|1",
            "order_created_at": at(ordered_ms),
            "customer": {"id": 17},
            "total": Decimal128("59.90"),
            "paid": True,
            "items": [
                {"sku": "K-1", "price": Decimal128("19.95"), "count": 2, "tags": ["red", "blue"]},
                {"sku": "é", "price": Decimal128("0.00"), "count": 1, "tags": []},
            ],
            "payment_id": "Q1",
            "payment_created_at": at(ordered_ms + 1500),
            "amount": Decimal128("59.90"),
            "method": "card",
            "refunded": False,
            "note": "n",
        },
        "B2|Q2": {
            "order_id": "B2",
            "order_created_at": at(ordered_ms),
            "customer": {"id": 1, "email": "a@b"},
            "total": Decimal128("7.00"),
            "paid": False,
            "items": [],
            "coupon": "X",
            "payment_id": "Q2",
            "payment_created_at": at(ordered_ms - 1500),
            "amount": Decimal128("7.00"),
            "method": "card",
            "refunded": True,
        },
    }
    with MongoClient[dict[str, Any]](
        f"mongodb://127.0.0.1:{environment.first_port + 2}/?directConnection=true", tz_aware=True
    ) as client:
        matched = client["shop"]["shop_matched"]
        environment.wait("two pairs", lambda: matched.count_documents({}) == 2)
        found = {document.pop("_id"): document for document in matched.find()}
    assert found == expected
    assert [type(found["B2|Q2"][name]) for name in ("total", "paid", "items")] == [Decimal128, bool, list]
    environment.tandem("--pipeline", "shop", "verify")


@pytest.mark.by_name
@pytest.mark.parametrize(
    ("name", "values"),
    [
        *((name, "json") for name in ("maps.jsonl", "odd_names.jsonl", "mongo.jsonl", "choices.json")),
        *((name, values) for name in ("defaults.avsc", "namespaces.avsc") for values in ("json", "avro")),
    ],
)
def test_pipelines_from_files_of_strangers_run_and_verify(
    name: str, values: str, environment: Environment, folder: Path
) -> None:
    (case,) = [each for each in (*SAMPLES, *SCHEMAS) if each.name == name]
    (folder / name).write_text(str(case.content), "utf-8")
    environment.tandem("new", "strange", "--from", str(folder / name), "--format", values)
    assert "every record is accounted for" in environment.tandem("--pipeline", "strange", "run").stdout


@pytest.mark.by_name
@pytest.mark.parametrize("name", ["nested on both sides", "a number and a text", "odd names"])
def test_joins_of_files_of_strangers_run_and_verify(name: str, environment: Environment, folder: Path) -> None:
    (case,) = [each for each in JOINS if each.name == name]
    files = [str(folder / each) for each in case.files]
    for file, records in zip(files, (case.left, case.right), strict=True):
        Path(file).write_text(lines(*records), "utf-8")
    environment.tandem("new", "strange", "--from", files[0], "--join", files[1])
    assert "every record is accounted for" in environment.tandem("--pipeline", "strange", "run").stdout
