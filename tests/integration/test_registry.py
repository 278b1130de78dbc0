"""Confluent's own serializers and a real registry: formats that are joined, and schemas that change while the job runs.

Marked ``by_name``, because the registry is a download of 142 MB.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from pymongo import MongoClient

from tandem.engine.declare.wire_format import Frozen
from tandem.pipeline import Protobuf
from tandem.producer.protobuf_encoder import message_class
from tandem.scaffold import Format, write
from tandem.schema_registry.protobuf import descriptor_of
from tests import STATE
from tests.environment import Environment
from tests.foreign import dead_letters
from tests.registry import schema_registry

pytestmark = pytest.mark.by_name
PORT = 29_990
REQUESTS, RESPONSES = "parcels_requests_v1", "parcels_responses_v1"
LETTERS = "parcels_dead_letter_v1"
MESSAGE = "parcels.Request"
AVRO = f'Avro.registered(__package__, topic="{REQUESTS}")'
PROTOBUF = f'Protobuf.registered(__package__, topic="{REQUESTS}", message="{MESSAGE}")'
PROTO = """syntax = "proto3";
package parcels;
import "google/protobuf/timestamp.proto";
message Unused {}
message Request {
  string request_id = 1;
  string service = 2;
  google.protobuf.Timestamp requested_at = 3;
}
"""
MILLIS = {"type": "long", "logicalType": "timestamp-millis"}
FIELDS: list[dict[str, Any]] = [
    {"name": "request_id", "type": "string"},
    {"name": "service", "type": "string"},
    {"name": "requested_at", "type": MILLIS},
]
REGION: dict[str, Any] = {"name": "region", "type": ["null", "string"], "default": None}
RESPONSE = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "title": "Response",
    "type": "object",
    "properties": {
        "response_id": {"type": "string"},
        "request_id": {"type": "string"},
        "status": {"type": "integer"},
        "responded_at": {"type": "string"},
    },
    "required": ["response_id", "request_id", "status", "responded_at"],
}


def request_schema(*fields: dict[str, Any]) -> str:
    return json.dumps({"type": "record", "name": "Request", "namespace": "parcels", "fields": [*FIELDS, *fields]})


# For each test, because a subject of this registry never changes its kind of schemas.
@pytest.fixture
def registry() -> Iterator[str]:
    with schema_registry(STATE / "schema-registry", PORT) as address:
        yield address


@pytest.fixture
def client(registry: str) -> Iterator[SchemaRegistryClient]:
    with SchemaRegistryClient({"url": registry}) as client:
        yield client


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return write("parcels", tmp_path / "pipelines", Format.JSON).folder


@pytest.fixture
def environment(own: Path, registry: str) -> Environment:
    extra = (
        ("TANDEM_PIPELINE", "parcels"),
        ("TANDEM_PIPELINES_DIR", str(own.parent)),
        ("TANDEM_REGISTRY__URL", registry),
    )
    return Environment(STATE / "registry", 29_991, extra)


class Foreign:
    """A program with Confluent's serializers.

    Args:
        environment: whose Kafka.
        client: a client of the registry.
    """

    def __init__(self, environment: Environment, client: SchemaRegistryClient) -> None:
        self._producer = Producer({"bootstrap.servers": environment.bootstrap})
        self._client = client

    def requests(self, schema: str, *records: dict[str, Any]) -> None:
        self._send(REQUESTS, AvroSerializer(self._client, schema), records)

    def messages(self, text: str, *records: dict[str, Any]) -> None:
        """Sends requests in Protobuf; the serializer registers the schema as a descriptor."""
        of = message_class(Protobuf.parse_registered("s", [Frozen(1, 1, descriptor_of(text, {}))]).newest, MESSAGE)
        serialize = ProtobufSerializer(of, self._client)
        self._send(REQUESTS, serialize, tuple(of(**record) for record in records))

    def responses(self, *records: dict[str, Any]) -> None:
        self._send(RESPONSES, JSONSerializer(json.dumps(RESPONSE), self._client), records)

    def _send(self, topic: str, serialize: Any, records: tuple[Any, ...]) -> None:
        context = SerializationContext(topic, MessageField.VALUE)
        for record in records:
            self._producer.produce(topic, serialize(record, context))
        assert self._producer.flush(60) == 0


def declared_by_the_registry(streams: Path, requests: str) -> None:
    text = streams.read_text()
    formats = {
        "request": requests,
        "response": f'JsonSchema.registered(__package__, topic="{RESPONSES}")',
    }
    for name, declared in formats.items():
        text = text.replace(f'identity="{name}_id",\n', f'identity="{name}_id",\n    format={declared},\n')
    imported = "from tandem.pipeline import "
    streams.write_text(text.replace(imported, f"{imported}Avro, JsonSchema, Protobuf, "))


def answered(environment: Environment) -> set[str]:
    with MongoClient(f"mongodb://127.0.0.1:{environment.first_port + 2}/?directConnection=true") as client:
        return {each["request_id"] for each in client["parcels"]["parcels_answered"].find({"duration_ms": 1000})}


def test_a_schema_changes_while_the_job_runs(own: Path, environment: Environment, client: SchemaRegistryClient) -> None:
    # Ids count across all subjects, so those of the streams do not begin with 1.
    client.register_schema("others-value", Schema(json.dumps("string"), "AVRO"))
    client.register_schema(f"{REQUESTS}-value", Schema(request_schema(), "AVRO"))
    client.register_schema(f"{RESPONSES}-value", Schema(json.dumps(RESPONSE), "JSON"))
    for topic in (REQUESTS, RESPONSES):
        client.set_compatibility(f"{topic}-value", "BACKWARD")
    pulled = environment.tandem("schemas", "pull", f"{REQUESTS}-value", f"{RESPONSES}-value").stdout
    assert pulled.count("new ") == 2
    declared_by_the_registry(own / "streams.py", AVRO)
    assert "problem" not in environment.tandem("schemas", "check", "--level", "backward").stdout
    assert "does not include full" in environment.tandem("schemas", "check", "--level", "full", code=1).stdout

    with environment.started():
        environment.tandem("produce", "--count", "500", "--close")
        assert "every record is accounted for" in environment.tandem("verify").stdout
        watermark = environment.status()["job"]["watermark"]
        now_ms = int(datetime.fromisoformat(watermark).timestamp() * 1000) + 60_000
        foreign = Foreign(environment, client)

        def request(name: str, **more: Any) -> dict[str, Any]:
            at = datetime.fromtimestamp(now_ms / 1000, UTC)
            return {"request_id": name, "service": "cart", "requested_at": at, **more}

        def response(name: str) -> dict[str, Any]:
            at = datetime.fromtimestamp(now_ms / 1000 + 1, UTC).isoformat()
            return {"response_id": f"to-{name}", "request_id": name, "status": 200, "responded_at": at}

        foreign.requests(request_schema(), request("first"))
        foreign.responses(response("first"), response("early"), response("second"))

        # A schema that the registry refuses, and one that it accepts.
        new = own / "new.avsc"
        checked = ("schemas", "check", "--new", str(new), "--subject", f"{REQUESTS}-value")
        new.write_text(request_schema({"name": "region", "type": "string"}))
        assert "the schema is not compatible" in environment.tandem(*checked, code=1).stdout
        new.write_text(request_schema(REGION))
        assert "problem" not in environment.tandem(*checked).stdout

        # A producer is faster than the job. Its serializer registers the schema.
        foreign.requests(request_schema(REGION), request("early", region="eu"))
        (version,) = set(client.get_versions(f"{REQUESTS}-value")) - {1}
        schema_id = client.get_version(f"{REQUESTS}-value", version).schema_id
        detail = f"schema id {schema_id}: not among the schemas of {REQUESTS}-value"
        environment.wait(
            "the dead letter",
            lambda: any(found.startswith(detail) for _, found in dead_letters(environment.bootstrap, LETTERS)),
        )
        assert f"(id {schema_id}) has no file" in environment.tandem("schemas", "check", code=1).stdout
        new_file = f"schemas/{REQUESTS}-value.v{version}.id{schema_id}.avsc"
        assert environment.tandem("schemas", "pull").stdout.split() == ["new", new_file]
        environment.tandem("submit")
        foreign.requests(request_schema(REGION), request("second", region=None))
        environment.wait("the answers", lambda: {"first", "second"} <= answered(environment))

        # Generated records have the new schema, and some the old one.
        environment.tandem("produce", "--count", "500", "--close")
        noted = "records that were rejected before their schema was known: 1"
        assert noted in " ".join(environment.tandem("verify").stdout.split())
        environment.tandem("reconcile")
        assert answered(environment) == {"first", "early", "second"}
        verified = " ".join(environment.tandem("verify").stdout.split())
        assert "every record is accounted for" in verified
        assert noted in verified


def test_types_of_other_subjects_are_pulled(own: Path, environment: Environment, client: SchemaRegistryClient) -> None:
    country = {"type": "enum", "name": "geo.Country", "symbols": ["DE", "FR"]}
    address_fields = [{"name": "street", "type": "string"}, {"name": "country", "type": "geo.Country"}]
    address = {"type": "record", "name": "Address", "namespace": "parcels", "fields": address_fields}
    home = {"name": "home", "type": ["null", "Address"], "default": None}
    subject = "deliveries-value"

    def register(name: str, schema: str, *references: SchemaReference, kind: str = "AVRO") -> SchemaReference:
        client.register_schema(name, Schema(schema, kind, list(references)))
        return SchemaReference(name, name, client.get_latest_version(name).version)

    to_country = register("geo.Country", json.dumps(country))
    to_address = register("parcels.Address", json.dumps(address), to_country)
    register(subject, request_schema(home, {"name": "from", "type": "geo.Country"}), to_address, to_country)
    place = {"type": "object", "properties": {"street": {"type": "string"}}}
    to_place = register("place.json", json.dumps(place), kind="JSON")
    root = {"type": "object", "properties": {"home": {"$ref": "place.json"}}}
    register("places-value", json.dumps(root), to_place, kind="JSON")

    pulled = environment.tandem("schemas", "pull", subject, "places-value").stdout.split()
    assert pulled[::2] == ["new", "new"]
    fields = {each["name"]: each["type"] for each in json.loads((own / pulled[1]).read_text())["fields"]}
    assert (fields["home"][1]["name"], fields["from"]) == ("parcels.Address", "geo.Country")
    assert fields["home"][1]["fields"][1]["type"] == country
    assert json.loads((own / pulled[3]).read_text())["$defs"]["place.json"]["properties"] == place["properties"]
    declared = f'Avro.registered(__package__, topic="{subject.removesuffix("-value")}")'
    streams = own / "streams.py"
    text = streams.read_text().replace('identity="request_id",\n', f'identity="request_id",\n    format={declared},\n')
    streams.write_text(text.replace("from tandem.pipeline import ", "from tandem.pipeline import Avro, "))
    assert "ok       deliveries-value: the schema is compatible" in environment.tandem("schemas", "check").stdout


def test_protobuf_is_joined_with_json(own: Path, environment: Environment, client: SchemaRegistryClient) -> None:
    client.register_schema(f"{REQUESTS}-value", Schema(PROTO, "PROTOBUF"))
    client.register_schema(f"{RESPONSES}-value", Schema(json.dumps(RESPONSE), "JSON"))
    for topic in (REQUESTS, RESPONSES):
        client.set_compatibility(f"{topic}-value", "BACKWARD")
    pulled = environment.tandem("schemas", "pull", f"{REQUESTS}-value", f"{RESPONSES}-value").stdout
    assert pulled.count("new ") == 3
    declared_by_the_registry(own / "streams.py", PROTOBUF)
    assert "problem" not in environment.tandem("schemas", "check", "--level", "backward").stdout

    with environment.started():
        environment.tandem("produce", "--count", "500", "--close")
        assert "every record is accounted for" in environment.tandem("verify").stdout
        watermark = environment.status()["job"]["watermark"]
        now = int(datetime.fromisoformat(watermark).timestamp()) + 60
        foreign = Foreign(environment, client)

        def request(name: str, **more: Any) -> dict[str, Any]:
            return {"request_id": name, "service": "cart", "requested_at": {"seconds": now}, **more}

        def response(name: str) -> dict[str, Any]:
            at = datetime.fromtimestamp(now + 1, UTC).isoformat()
            return {"response_id": f"to-{name}", "request_id": name, "status": 200, "responded_at": at}

        # The registry refuses a changed type, and accepts a new field.
        new = own / "new.proto"
        checked = ("schemas", "check", "--new", str(new), "--subject", f"{REQUESTS}-value")
        new.write_text(PROTO.replace("string service", "int64 service"))
        assert "problem" in environment.tandem(*checked, code=1).stdout
        changed = PROTO.replace("requested_at = 3;", "requested_at = 3; optional string region = 4;")
        new.write_text(changed)
        assert "problem" not in environment.tandem(*checked).stdout

        # A producer is faster than the job. Its serializer registers a descriptor, which this registry cannot compare.
        client.set_compatibility(f"{REQUESTS}-value", "NONE")
        foreign.messages(changed, request("early", region="eu"))
        foreign.responses(response("early"), response("second"))
        newest = client.get_latest_version(f"{REQUESTS}-value")
        detail = f"schema id {newest.schema_id}: not among the schemas of {REQUESTS}-value"
        environment.wait(
            "the dead letter",
            lambda: any(found.startswith(detail) for _, found in dead_letters(environment.bootstrap, LETTERS)),
        )
        assert f"(id {newest.schema_id}) has no file" in environment.tandem("schemas", "check", code=1).stdout
        stem = f"schemas/{REQUESTS}-value.v{newest.version}.id{newest.schema_id}"
        pulled = environment.tandem("schemas", "pull").stdout
        assert pulled.split() == ["new", f"{stem}.proto", "new", f"{stem}.descriptor.json"]
        environment.tandem("submit")
        foreign.messages(changed, request("second"))
        environment.wait("the answer", lambda: "second" in answered(environment))

        # Generated records have the new schema, and some the old one.
        environment.tandem("produce", "--count", "500", "--close")
        environment.tandem("reconcile")
        assert answered(environment) == {"early", "second"}
        verified = " ".join(environment.tandem("verify").stdout.split())
        assert "every record is accounted for" in verified
        assert "records that were rejected before their schema was known: 1" in verified
