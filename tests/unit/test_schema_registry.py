"""The commands `schemas pull` and `schemas check`, against a small server with Confluent's API."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from typer.testing import CliRunner, Result

from tandem import catalog
from tandem.cli.app import app
from tandem.engine.declare.wire_format import Frozen, frozen_file
from tandem.errors import EnvironmentNotReadyError, TandemError, UsageError
from tandem.pipeline import Avro, FieldType, JsonSchema, Kind, Protobuf, Stream
from tandem.schema_registry import Registry, check, declared_formats, pull
from tandem.schema_registry.check import Level, SchemaFinding
from tandem.schema_registry.subjects import frozen_of
from tandem.settings.model import RegistrySettings
from tests.avro import FIELDS, SCHEMAS, field, schema
from tests.wire_format import JSON_FLAT, SALES_REGISTERED

SUBJECT = "sales-value"
LOGIN = "Basic " + base64.b64encode(b"key:s3cret").decode()


class Server(ThreadingHTTPServer):
    """A registry's subjects, levels and verdicts."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.subjects: dict[str, dict[int, dict[str, Any]]] = {}
        self.level = "BACKWARD"
        self.verdict: dict[str, Any] = {"is_compatible": True}
        self.asked: list[tuple[str, dict[str, Any] | None, str | None]] = []
        self.answers: dict[str, tuple[int, bytes]] = {}

    @property
    def settings(self) -> RegistrySettings:
        return RegistrySettings(url=f"http://127.0.0.1:{self.server_port}/api/")

    def add(self, schema_id: int, text: str, subject: str = SUBJECT, **others: Any) -> None:
        versions = self.subjects.setdefault(subject, {})
        version = len(versions) + 1
        # As the API answers: the subject and the version, and references if there are any.
        versions[version] = {"subject": subject, "version": version, "id": schema_id, "schema": text, **others}


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self._answer(None)

    def do_POST(self) -> None:
        self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _answer(self, body: dict[str, Any] | None) -> None:
        path = urlsplit(self.path).path
        self.server.asked.append((path, body, self.headers["Authorization"]))
        status, content = self.server.answers.get(path) or self._found(path)
        self.send_response(status)
        if status == 302:
            self.send_header("Location", f"http://127.0.0.1:{self.server.server_port}/api/subjects/x/versions")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _found(self, path: str) -> tuple[int, bytes]:
        found: Any = None
        match path.removeprefix("/api/").split("/"):
            case ["subjects", subject, "versions"]:
                versions = self.server.subjects.get(unquote(subject))
                found = None if versions is None else list(versions)
            case ["subjects", subject, "versions", number]:
                found = self.server.subjects.get(unquote(subject), {}).get(int(number))
            case ["config", _]:
                found = {"compatibilityLevel": self.server.level}
            case ["compatibility", "subjects", _, "versions"]:
                found = self.server.verdict
        return (404, b"{}") if found is None else (200, json.dumps(found).encode())

    def log_message(self, *_: object) -> None:
        """Logs nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def registry(server: Server) -> Registry:
    return Registry(server.settings)


def test_a_pull_writes_what_is_new(server: Server, registry: Registry, tmp_path: Path) -> None:
    server.add(40, SCHEMAS[1])
    server.add(3, SCHEMAS[5], schemaType="AVRO")
    done = pull(registry, tmp_path, SUBJECT)
    assert done.new == ["schemas/sales-value.v1.id40.avsc", "schemas/sales-value.v2.id3.avsc"]
    assert [(each.version, each.schema_id) for each in frozen_of(tmp_path, SUBJECT, "AVRO")] == [(1, 40), (2, 3)]
    assert json.loads((tmp_path / done.new[1]).read_text()) == json.loads(SCHEMAS[5])
    server.add(41, '{"type": "object", "title": "é"}', schemaType="JSON")
    again = pull(registry, tmp_path, SUBJECT)
    assert (again.new, again.known) == (["schemas/sales-value.v3.id41.json"], 2)
    assert "é" in (tmp_path / again.new[0]).read_text("utf-8")


@pytest.mark.parametrize("kind", ["AVRO", "JSON", "PROTOBUF"])
def test_a_version_that_was_registered_again_keeps_its_files(
    kind: str, server: Server, registry: Registry, tmp_path: Path
) -> None:
    text = {"AVRO": SCHEMAS[1], "JSON": "{}", "PROTOBUF": IMPORTED}[kind]
    server.add(40, text, schemaType=kind)
    written = pull(registry, tmp_path, SUBJECT).new
    # A registry gives the same schema another number after it was deleted, but the same id.
    server.subjects[SUBJECT] = {3: {**server.subjects[SUBJECT][1], "version": 3}}
    again = pull(registry, tmp_path, SUBJECT)
    assert (again.new, again.known) == ([], 1)
    assert len(frozen_of(tmp_path, SUBJECT, kind)) == 1
    if kind == "PROTOBUF":
        # One of two files is missing.
        (tmp_path / written[-1]).unlink()
        assert pull(registry, tmp_path, SUBJECT).new == written


def test_a_pull_skips_what_no_job_can_read(server: Server, registry: Registry, tmp_path: Path) -> None:
    server.add(1, "struct Sale {}", schemaType="THRIFT")
    server.add(2, SCHEMAS[1], references=[{"name": "a", "subject": "b", "version": 1}])
    server.add(3, '["null", "string"]')
    server.add(4, schema(field("next", ["null", "Sale"])))
    server.add(5, "[" * 100_000)
    no_fields = ("5", '["a"]', '[{"type": "int"}]', '[{"name": "a"}]', '[{"name": 5, "type": "int"}]')
    nested = '[{"name": "a", "type": {"type": "record", "name": "Y", "fields": 5}}]'
    for schema_id, fields in enumerate((*no_fields, nested), 6):
        server.add(schema_id, f'{{"type": "record", "name": "X", "fields": {fields}}}')
    server.add(20, SCHEMAS[1])
    done = pull(registry, tmp_path, SUBJECT)
    assert done.new == ["schemas/sales-value.v12.id20.avsc"]
    reasons = [
        "THRIFT is not supported",
        "it refers to version 1 of b, which the registry does not have",
        "not the schema of a record",
        "contains itself",
    ]
    reasons += ["recursion depth", *["a record whose fields are not a list of fields"] * 6]
    assert len(done.skipped) == len(reasons)
    assert all(reason in skipped for reason, skipped in zip(reasons, done.skipped, strict=True))
    assert done.skipped[0].startswith("version 1 (id 1): ")


@pytest.mark.parametrize(
    ("version", "schema_id", "text"),
    [(1, 7, SCHEMAS[2]), (1, 8, SCHEMAS[1]), (2, 7, SCHEMAS[2])],
    ids=["other text", "other id", "other version"],
)
def test_a_pull_overwrites_nothing(
    version: int, schema_id: int, text: str, server: Server, registry: Registry, tmp_path: Path
) -> None:
    server.add(7, SCHEMAS[1])
    file = tmp_path / frozen_file(SUBJECT, version, schema_id, "avsc")
    file.parent.mkdir()
    file.write_text(text)
    with pytest.raises(TandemError, match="is not what the registry has: version 1 with id 7"):
        pull(registry, tmp_path, SUBJECT)
    assert [each.name for each in file.parent.iterdir()] == [file.name]
    assert file.read_text() == text


def test_a_pull_into_something_that_is_no_folder_is_an_error(
    server: Server, registry: Registry, tmp_path: Path
) -> None:
    server.add(7, SCHEMAS[1])
    (tmp_path / "schemas").write_text("")
    with pytest.raises(TandemError, match="schemas cannot be written: File exists"):
        pull(registry, tmp_path, SUBJECT)


def test_a_pull_that_cannot_write_one_of_two_files_writes_none(
    server: Server, registry: Registry, tmp_path: Path
) -> None:
    server.add(7, IMPORTED, schemaType="PROTOBUF")
    # A folder where the draft of the second file belongs.
    (tmp_path / "schemas" / "sales-value.v1.id7.descriptor.json.draft").mkdir(parents=True)
    with pytest.raises(TandemError, match=r"descriptor\.json\.draft cannot be written"):
        pull(registry, tmp_path, SUBJECT)
    assert not [each for each in (tmp_path / "schemas").iterdir() if each.is_file()]


def test_a_frozen_schema_that_is_not_text_is_an_error(server: Server, registry: Registry, tmp_path: Path) -> None:
    server.add(7, SCHEMAS[1])
    (written,) = pull(registry, tmp_path, SUBJECT).new
    (tmp_path / written).write_bytes(b"\xff")
    with pytest.raises(UsageError, match=r"v1\.id7\.avsc cannot be read"):
        pull(registry, tmp_path, SUBJECT)


def test_a_subjects_name_is_escaped(server: Server, registry: Registry, tmp_path: Path) -> None:
    server.add(1, SCHEMAS[1])
    server.subjects["a/b c"] = server.subjects[SUBJECT]
    assert pull(registry, tmp_path, "a/b c").new == ["schemas/a%2Fb%20c.v1.id1.avsc"]


def test_the_login_is_sent_to_the_registry_alone(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_SECRET", "s3cret")
    login = server.settings.model_copy(update={"username": "key", "password": "env:REGISTRY_SECRET"})
    server.answers["/api/subjects/sales-value/versions"] = (302, b"")
    with pytest.raises(EnvironmentNotReadyError, match="HTTP status 302"):
        Registry(login).versions(SUBJECT)
    assert [login for _, _, login in server.asked] == [LOGIN]
    monkeypatch.delenv("REGISTRY_SECRET")
    with pytest.raises(EnvironmentNotReadyError, match="env:REGISTRY_SECRET is empty"):
        Registry(login)


@pytest.mark.parametrize(
    ("status", "content", "why"),
    [
        (401, b"", "refused the login"),
        (403, b"", "refused the login"),
        (500, b"", "HTTP status 500"),
        (200, b"<html>", "not one of a schema registry"),
        (200, b"{}", "not one of a schema registry"),
        (200, b'["1"]', "not one of a schema registry"),
        (200, b"[-1]", "not one of a schema registry"),
        (200, b"[0]", "not one of a schema registry"),
        (200, b"[2147483648]", "not one of a schema registry"),
        pytest.param(200, b"[" * 100_000, "not one of a schema registry", id="nested"),
    ],
)
def test_wrong_answers(status: int, content: bytes, why: str, server: Server, registry: Registry) -> None:
    server.answers["/api/subjects/sales-value/versions"] = (status, content)
    with pytest.raises(EnvironmentNotReadyError, match=why):
        registry.versions(SUBJECT)


@pytest.mark.parametrize("schema_id", ["-5", "2147483648", "true"])
def test_an_id_that_no_record_can_have(schema_id: str, server: Server, registry: Registry) -> None:
    content = f'{{"id": {schema_id}, "schema": "{{}}"}}'.encode()
    server.answers["/api/subjects/sales-value/versions/1"] = (200, content)
    with pytest.raises(EnvironmentNotReadyError, match="not one of a schema registry"):
        registry.schema(SUBJECT, 1)


def test_no_registry(server: Server, registry: Registry) -> None:
    with pytest.raises(TandemError, match="has no subject sales-value"):
        registry.versions(SUBJECT)
    with pytest.raises(UsageError, match="no schema registry is set"):
        Registry(RegistrySettings())
    server.server_close()
    with pytest.raises(EnvironmentNotReadyError, match="does not answer"):
        Registry(RegistrySettings(url="http://127.0.0.1:1")).versions(SUBJECT)
    with pytest.raises(ValueError, match="remove the credentials from the address"):
        RegistrySettings(url="https://key:secret@host")


@pytest.mark.parametrize(
    ("url", "is_safe"),
    [
        ("https://host", True),
        ("http://localhost:8081/apis/ccompat/v7", True),
        ("http://127.9.9.9", True),
        ("http://[::1]:8081", True),
        ("http://host:8081", False),
        ("http://10.0.0.1", False),
        ("http://localhost.host", False),
        ("http://127.0.0.1.host", False),
    ],
)
def test_a_password_goes_over_tls_or_stays_here(url: str, is_safe: bool) -> None:
    assert RegistrySettings(url=url).url == url
    login = {"username": "key", "password": "env:REGISTRY_SECRET"}
    if is_safe:
        assert RegistrySettings(url=url, **login).url == url
    else:
        with pytest.raises(ValueError, match="would send the password unencrypted"):
            RegistrySettings(url=url, **login)


def registered(registry: Registry, folder: Path) -> Avro:
    pull(registry, folder, SUBJECT)
    return Avro.parse_registered(SUBJECT, frozen_of(folder, SUBJECT, "AVRO"))


def stream_of(values: Avro) -> Stream:
    return Stream("sales", "sales", FIELDS, "at", "id", format=values)


def problems(findings: Iterator[SchemaFinding]) -> list[str]:
    return [finding.text for finding in findings if finding.is_problem]


def test_a_check_of_a_registry_that_agrees(server: Server, registry: Registry, tmp_path: Path) -> None:
    server.add(3, SCHEMAS[5])
    values = registered(registry, tmp_path)
    found = list(check(registry, tmp_path, stream_of(values), values))
    assert [each.text for each in found if not each.is_problem] == [
        "version 1 (id 3) has a file",
        "the registry checks new versions at level BACKWARD",
        "the schema is compatible",
    ]
    (_, body, _) = server.asked[-1]
    assert body is not None
    assert json.loads(body["schema"]) == json.loads(SCHEMAS[5])
    assert len(found) == 3


def test_a_check_finds_versions_without_a_file(server: Server, registry: Registry, tmp_path: Path) -> None:
    server.add(3, SCHEMAS[5])
    values = registered(registry, tmp_path)
    server.add(4, SCHEMAS[1])
    server.add(5, "{}", schemaType="JSON")
    server.add(6, "x", schemaType="THRIFT")
    server.subjects[SUBJECT][1]["schema"] = SCHEMAS[2]
    found = problems(check(registry, tmp_path, stream_of(values), values))
    assert found == [
        "version 1 (id 3) is not what its file says; delete the file and pull again",
        "version 2 (id 4) has no file; its records become dead letters until `tandem schemas pull`",
        "version 4 (id 6) cannot be read: THRIFT is not supported",
    ]


def test_a_check_skips_replaced_versions_that_no_job_can_read(
    server: Server, registry: Registry, tmp_path: Path
) -> None:
    server.add(3, "x", schemaType="THRIFT")
    server.add(4, "{}", schemaType="JSON")
    server.add(5, SCHEMAS[5])
    values = registered(registry, tmp_path)
    found = list(check(registry, tmp_path, stream_of(values), values))
    assert [each.text for each in found if not each.is_problem][:3] == [
        "version 1 (id 3) is skipped, because a newer one replaced it: THRIFT is not supported",
        "version 2 (id 4) is skipped, because a newer one replaced it: it is JSON, not AVRO",
        "version 3 (id 5) has a file",
    ]
    assert problems(iter(found)) == []
    server.add(6, "{}", schemaType="JSON")
    found = list(check(registry, tmp_path, stream_of(values), values))
    assert problems(iter(found)) == ["version 4 (id 6) cannot be read: it is JSON, not AVRO"]


def test_a_check_without_files(server: Server, registry: Registry, tmp_path: Path) -> None:
    server.add(3, SCHEMAS[5])
    values = registered(registry, tmp_path)
    own = tmp_path / "own"
    with pytest.raises(UsageError, match=f"no schema of the subject {SUBJECT} is in {own / 'schemas'}"):
        list(check(registry, own, stream_of(values), values))


@pytest.mark.parametrize(
    ("wanted", "level", "is_met"),
    [
        ("backward", "BACKWARD", True),
        ("backward", "BACKWARD_TRANSITIVE", True),
        ("backward", "FULL", True),
        ("backward", "FORWARD", False),
        ("forward", "FULL_TRANSITIVE", True),
        ("forward", "BACKWARD", False),
        ("full", "FULL", True),
        ("full", "BACKWARD", False),
        ("full", "NONE", False),
    ],
)
def test_a_level_that_includes_another(
    wanted: str, level: str, is_met: bool, server: Server, registry: Registry, tmp_path: Path
) -> None:
    server.add(3, SCHEMAS[5])
    server.level = level
    values = registered(registry, tmp_path)
    found = problems(check(registry, tmp_path, stream_of(values), values, level=Level(wanted)))
    why = f"the registry checks new versions at level {level}, which does not include {wanted}"
    assert found == ([] if is_met else [why])


def test_a_check_of_a_new_schema(server: Server, registry: Registry, tmp_path: Path) -> None:
    server.add(3, SCHEMAS[5])
    values = registered(registry, tmp_path)
    server.verdict = {"is_compatible": False, "messages": ["a field\x1b[2J has no default"]}
    found = problems(check(registry, tmp_path, stream_of(values), values, new=SCHEMAS[3]))
    assert "the stream sales does not fit the schema" in found[0]
    assert "has no field 'at'" in found[0]
    assert found[1] == "the schema is not compatible\n    a field\\x1b[2J has no default"
    server.verdict = {"is_compatible": False, "reason": "no default"}
    assert registry.incompatibilities(SUBJECT, "AVRO", SCHEMAS[3]) == ["no default"]
    server.verdict = {"is_compatible": False}
    assert registry.incompatibilities(SUBJECT, "AVRO", SCHEMAS[3]) == []
    server.verdict = {"is_compatible": True}
    assert problems(check(registry, tmp_path, stream_of(values), values, new=SCHEMAS[5])) == []


@pytest.mark.parametrize("new", ["", "{", "[" * 100_000], ids=["empty", "cut", "nested"])
def test_a_check_of_an_invalid_schema(new: str, server: Server, registry: Registry, tmp_path: Path) -> None:
    server.add(3, SCHEMAS[5])
    values = registered(registry, tmp_path)
    answer = json.dumps({"error_code": 42201, "message": "Invalid\x1b schema"}).encode()
    server.answers["/api/compatibility/subjects/sales-value/versions"] = (422, answer)
    found: list[SchemaFinding] = []
    with pytest.raises(TandemError, match=r"refused the schema: Invalid\\x1b schema") as refused:
        found.extend(check(registry, tmp_path, stream_of(values), values, new=new))
    assert "the stream sales does not fit the schema" in found[-1].text
    assert refused.value.hint == "check the schema's file"
    assert server.asked[-1][1] == {"schema": new}


def test_a_schema_that_is_refused_without_a_reason(server: Server, registry: Registry) -> None:
    server.answers["/api/compatibility/subjects/sales-value/versions"] = (422, b"<html>")
    with pytest.raises(TandemError, match="refused the schema: HTTP status 422"):
        registry.incompatibilities(SUBJECT, "AVRO", "{")


def test_a_check_of_json(server: Server, registry: Registry, tmp_path: Path) -> None:
    server.add(7, '{"type": "object"}', schemaType="JSON")
    pull(registry, tmp_path, SUBJECT)
    values = JSON_FLAT.format
    assert isinstance(values, JsonSchema)
    assert problems(check(registry, tmp_path, JSON_FLAT, values, new="{}")) == []
    assert server.asked[-1][1] == {"schema": "{}", "schemaType": "JSON"}
    for wrong in ("{", "5", "[]"):
        assert "does not fit" in problems(check(registry, tmp_path, JSON_FLAT, values, new=wrong))[0]
    # A schema without any field of the stream: nothing says that it fits.
    other = '{"type": "object", "properties": {}, "additionalProperties": false}'
    told = [each.text for each in check(registry, tmp_path, JSON_FLAT, values, new=other)]
    assert f"the fields of the stream {JSON_FLAT.name} are not compared with a JSON Schema" in told
    assert not [text for text in told if "fits the schema" in text]


IMPORTED = 'syntax = "proto3"; package shop; message Money { int64 units = 1; }'
PROTO = (
    'syntax = "proto3"; import "shop/money.proto"; package shop; '
    "message Sale { string id = 1; int64 at = 2; Money price = 3; }"
)
REFERENCE = {"name": "shop/money.proto", "subject": "shop/money.proto", "version": 1}
SALE_FIELDS: dict[str, Kind] = {
    "id": FieldType.STRING,
    "at": FieldType.EPOCH_SECONDS,
    "price": FieldType.record({"units": FieldType.INTEGER}),
}


def with_protobuf(server: Server) -> None:
    server.subjects["shop/money.proto"] = {1: {"id": 1, "schema": IMPORTED, "schemaType": "PROTOBUF"}}
    server.add(7, PROTO, schemaType="PROTOBUF", references=[REFERENCE])


def test_a_pull_of_protobuf_writes_the_schema_and_its_descriptor(
    server: Server, registry: Registry, tmp_path: Path
) -> None:
    with_protobuf(server)
    done = pull(registry, tmp_path, SUBJECT)
    assert done.new == ["schemas/sales-value.v1.id7.proto", "schemas/sales-value.v1.id7.descriptor.json"]
    assert (tmp_path / done.new[0]).read_text() == PROTO + "\n"
    frozen = [Frozen(1, 7, (tmp_path / done.new[1]).read_text())]
    values = Protobuf.parse_registered(SUBJECT, frozen)
    Stream("sales", "sales", SALE_FIELDS, "at", "id", format=values)
    assert pull(registry, tmp_path, SUBJECT).known == 1
    (tmp_path / done.new[1]).unlink()
    assert pull(registry, tmp_path, SUBJECT).new == done.new
    (tmp_path / done.new[0]).write_text(IMPORTED)
    with pytest.raises(TandemError, match="is not what the registry has"):
        pull(registry, tmp_path, SUBJECT)


def test_a_pull_of_protobuf_skips_what_no_job_can_read(server: Server, registry: Registry, tmp_path: Path) -> None:
    server.subjects["old.proto"] = {1: {"id": 2, "schema": 'syntax = "proto2";', "schemaType": "PROTOBUF"}}
    server.add(3, "message {", schemaType="PROTOBUF")
    server.add(4, 'syntax = "proto2"; message A {}', schemaType="PROTOBUF")
    server.add(5, 'syntax = "proto3";', schemaType="PROTOBUF")
    server.add(6, PROTO, schemaType="PROTOBUF")
    server.add(7, PROTO, schemaType="PROTOBUF", references=[{**REFERENCE, "name": "../../money.proto"}])
    server.subjects["shop/money.proto"] = {1: {"id": 1, "schema": IMPORTED, "schemaType": "PROTOBUF"}}
    found = pull(registry, tmp_path, SUBJECT)
    reasons = [
        "version 1 (id 3): 1:9: Expected message name",
        "not proto3",
        "has no message",
        "File not found",
        "leads out of the folder",
    ]
    assert found.new == []
    assert len(found.skipped) == len(reasons)
    assert all(reason in skipped for reason, skipped in zip(reasons, found.skipped, strict=True)), found.skipped


def test_of_two_versions_of_an_imported_file_the_first_one_counts(
    server: Server, registry: Registry, tmp_path: Path
) -> None:
    with_protobuf(server)
    newer = IMPORTED.replace("units", "cents")
    server.subjects["shop/money.proto"][2] = {"id": 2, "schema": newer, "schemaType": "PROTOBUF"}
    item = 'syntax = "proto3"; import "shop/money.proto"; package shop; message Item { Money price = 1; }'
    server.subjects["item"] = {1: {"id": 3, "schema": item, "schemaType": "PROTOBUF", "references": [REFERENCE]}}
    references = [{**REFERENCE, "version": 2}, {"name": "item.proto", "subject": "item", "version": 1}]
    text = PROTO.replace("package", 'import "item.proto"; package').replace("3; }", "3; Item item = 4; }")
    server.add(8, text, schemaType="PROTOBUF", references=references)
    done = pull(registry, tmp_path, SUBJECT)
    assert '"cents"' in (tmp_path / done.new[-1]).read_text()


def test_a_check_of_protobuf(server: Server, registry: Registry, tmp_path: Path) -> None:
    with_protobuf(server)
    _, path = pull(registry, tmp_path, SUBJECT).new
    values = Protobuf.parse_registered(SUBJECT, [Frozen(1, 7, (tmp_path / path).read_text())])
    stream = Stream("sales", "sales", SALE_FIELDS, "at", "id", format=values)
    assert problems(check(registry, tmp_path, stream, values)) == []
    # The server got the schema's text, and what it refers to.
    sent = {"schema": PROTO, "schemaType": "PROTOBUF", "references": [REFERENCE]}
    assert server.asked[-1][1] == sent
    assert problems(check(registry, tmp_path, stream, values, new=PROTO.replace("Money price", "Money total"))) == [
        "the stream sales does not fit the schema: schemas/sales-value.v2.id8.descriptor.json: "
        "shop.Sale has no field 'price', which the stream declares"
    ]
    assert problems(check(registry, tmp_path, stream, values, new=PROTO.replace("3; }", "3; bool paid = 4; }"))) == []
    assert "Expected" in problems(check(registry, tmp_path, stream, values, new="message {"))[0]
    # The job reads the descriptor.
    (tmp_path / path).unlink()
    (problem,) = problems(check(registry, tmp_path, stream, values))
    assert problem == "version 1 (id 7) has no file; its records become dead letters until `tandem schemas pull`"


def test_protobuf_needs_its_compiler(
    server: Server, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_protobuf(server)
    monkeypatch.setattr("tandem.schema_registry.protobuf.find_spec", lambda _: None)
    with pytest.raises(EnvironmentNotReadyError, match="compiler is not installed") as refused:
        pull(registry, tmp_path, SUBJECT)
    assert "protobuf" in str(refused.value.hint)


def test_a_reference_that_is_none(server: Server, registry: Registry) -> None:
    server.add(7, PROTO, schemaType="PROTOBUF", references=[{"name": "a"}])
    with pytest.raises(EnvironmentNotReadyError, match="is not one of a schema registry"):
        registry.schema(SUBJECT, 1)


def test_the_subjects_of_a_pipeline() -> None:
    plain = Stream("sales", "sales", FIELDS, "at", "id")
    found = declared_formats([plain, SALES_REGISTERED, JSON_FLAT])
    assert [stream for stream, _ in found[SUBJECT]] == [SALES_REGISTERED, JSON_FLAT]
    assert declared_formats([plain]) == {}


def tandem(url: str, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["--profile", "embedded", "schemas", *arguments], env={"TANDEM_REGISTRY__URL": url})


def test_a_pipeline_without_a_registrys_records(server: Server) -> None:
    url = str(server.settings.url)
    for arguments in (["pull"], ["check"]):
        refused = tandem(url, *arguments).exception
        assert isinstance(refused, UsageError)
        assert "no stream of orders_payments is in Confluent's wire format" in str(refused)
        assert ("name a subject" in str(refused.hint)) == (arguments == ["pull"])
    assert "has no subject nothing" in str(tandem(url, "pull", "nothing").exception)
    assert server.subjects == {}


def test_an_installed_tandem_writes_no_schemas_into_its_own_package(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server.add(7, SCHEMAS[1])
    folder = tmp_path / "tandem" / "pipelines"
    (folder / "shop").mkdir(parents=True)
    (folder / "shop" / "streams.py").write_text("")
    monkeypatch.setattr(catalog, "BUNDLED", folder)
    pulled = ("--pipeline", "shop", "schemas", "pull", SUBJECT)
    monkeypatch.setattr("tandem.cli.schemas.checkout", lambda: None)
    refused = CliRunner().invoke(app, pulled, env={"TANDEM_REGISTRY__URL": server.settings.url}).exception
    assert isinstance(refused, UsageError)
    assert "the pipeline shop comes with Tandem" in str(refused)
    assert not (folder / "shop" / "schemas").exists()
    # A checkout's pipelines belong to its user.
    monkeypatch.setattr("tandem.cli.schemas.checkout", lambda: tmp_path)
    done = CliRunner().invoke(app, pulled, env={"TANDEM_REGISTRY__URL": server.settings.url})
    assert done.exit_code == 0
    assert (folder / "shop" / "schemas").is_dir()
