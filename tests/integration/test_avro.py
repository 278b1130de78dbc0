"""Avro through the real loop: a new pipeline, whose schemas then change in the ways that Avro's rules know."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer
from pymongo import MongoClient

from tandem.pipeline import Avro
from tandem.producer.avro_encoder import AvroEncoder
from tandem.scaffold import Format, write
from tests import STATE
from tests.environment import Environment
from tests.foreign import dead_letters

LETTERS = "parcels_dead_letter_v1"


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return write("parcels", tmp_path / "pipelines", Format.AVRO).folder


@pytest.fixture
def environment(own: Path) -> Iterator[Environment]:
    extra = (("TANDEM_PIPELINE", "parcels"), ("TANDEM_PIPELINES_DIR", str(own.parent)))
    with Environment(STATE / "avro", 29780, extra).started() as environment:
        yield environment


class Foreign:
    """A program of somebody else's, which writes by whatever schema it knows.

    Args:
        environment: whose Kafka.
        schemas: the folder.
    """

    def __init__(self, environment: Environment, schemas: Path) -> None:
        self._producer = KafkaProducer(bootstrap_servers=environment.bootstrap)
        self._schemas = schemas

    def send(self, subject: str, number: int, spoil: bytes = b"", **record: Any) -> None:
        text = (self._schemas / f"{subject}.v{number}.avsc").read_text()
        value = AvroEncoder(Avro.parse(subject, {number: text}).newest)(record)
        self._producer.send(f"parcels_{subject}_v1", value=value + spoil).get(30)


def changed(schemas: Path, subject: str, number: int, **types: Any) -> None:
    """Writes a version like the first one, but for fields of other types; None removes one, a field is added."""
    schema = json.loads((schemas / f"{subject}.v1.avsc").read_text())
    kept = [field for field in schema["fields"] if field["name"] not in types]
    schema["fields"] = kept + [{"name": name, **field} for name, field in types.items() if field is not None]
    (schemas / f"{subject}.v{number}.avsc").write_text(json.dumps(schema))


# The tutorial's pipeline with Avro runs in CI (test_readme).
@pytest.mark.on_demand
def test_schemas_change_while_the_topics_live(own: Path, environment: Environment) -> None:
    environment.tandem("produce", "--count", "1000", "--close")
    assert "every record is accounted for" in environment.tandem("verify").stdout
    watermark = environment.status()["job"]["watermark"]
    now_ms = int(datetime.fromisoformat(watermark).timestamp() * 1000) + 60_000
    before = dead_letters(environment.bootstrap, LETTERS)

    schemas = own / "schemas"
    changed(schemas, "requests", 2, service=None)
    optional = {"type": ["null", "string"], "default": None}
    changed(schemas, "requests", 3, service={"type": "string", "default": "unknown"}, region=optional)
    changed(schemas, "responses", 2, status={"type": "string"})
    changed(schemas, "responses", 3, responded_at=None)
    changed(schemas, "responses", 4, region=optional)
    environment.tandem("submit")

    foreign = Foreign(environment, schemas)
    foreign.send("requests", 1, request_id="old", service="cart", requested_at=now_ms)
    foreign.send("requests", 2, request_id="removed", requested_at=now_ms)
    foreign.send("requests", 3, request_id="new", service="cart", requested_at=now_ms, region="eu")
    for request in ("old", "removed", "new"):
        answer = {"response_id": f"to-{request}", "request_id": request, "responded_at": now_ms + 1000}
        foreign.send("responses", 2, **answer, status="200")
        foreign.send("responses", 4, **answer, status=200, region=None)
    foreign.send("responses", 3, response_id="to-old", request_id="old", status=200)
    foreign.send("responses", 4, b"garbage", **answer, status=200)
    changed(schemas, "responses", 9, more=optional)
    foreign.send("responses", 9, **answer, status=200)
    (schemas / "responses.v9.avsc").unlink()

    # What the producers write by is the newest schema, and here and there the first.
    environment.tandem("produce", "--count", "1000", "--close")
    assert "every record is accounted for" in environment.tandem("verify").stdout
    with MongoClient(f"mongodb://127.0.0.1:{environment.first_port + 2}/?directConnection=true") as client:
        answered = client["parcels"]["parcels_answered"]
        services = {each["request_id"]: each["service"] for each in answered.find({"duration_ms": 1000})}
    assert services.items() >= {("old", "cart"), ("removed", "unknown"), ("new", "cart")}
    added = dead_letters(environment.bootstrap, LETTERS)
    for letter in before:
        added.remove(letter)
    assert added.count(("wrong_type", "status: not of type integer")) == 3
    assert added.count(("missing_field", "responded_at")) == 1
    assert {"unknown_schema", "not_avro"} <= {error for error, _ in added}
