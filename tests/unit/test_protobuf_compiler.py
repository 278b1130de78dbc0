"""Compiling Protobuf schemas: imports, names of files, and what registries make of maps."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tandem.engine.declare.protobuf_descriptor import Descriptor
from tandem.engine.declare.wire_format import Frozen
from tandem.pipeline import FieldType, Kind, Protobuf, Stream
from tandem.producer.protobuf_encoder import ProtobufRecordEncoder
from tandem.schema_registry.protobuf import descriptor_of
from tests.protobuf import NOON_MS
from tests.unit.test_inference import described
from tests.unit.test_protobuf import both

HEAD = 'syntax = "proto3"; '
PART = f"{HEAD}message Part {{ string id = 1; }}"
# As Confluent's registry returns a schema that a serializer has registered as a descriptor.
EXPANDED = """syntax = "proto3";
package shop;

message Sale {
  string id = 1;
  repeated .shop.Sale.TagsEntry tags = 2;
  repeated .shop.Sale.SizesEntry sizes = 3;
  int64 at = 4;

  message TagsEntry {
    option map_entry = true;

    string key = 1;
    string value = 2;
  }
  message SizesEntry {
    option map_entry = true;

    string key = 1;
    Size value = 2;
  }
  message Size {
    int32 width = 1;
  }
}
"""


@pytest.mark.parametrize("name", ["schema.proto", "sale.proto"])
def test_a_file_may_have_any_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "schema.proto").write_text(PART)
    assert "id" in described(Path(), f"{HEAD}message Sale {{ string id = 1; }}", name).fields


def test_an_imported_file_may_have_any_name(tmp_path: Path) -> None:
    text = f'{HEAD}import "schema.proto"; message Sale {{ string id = 1; Part part = 2; }}'
    assert '"Part"' in descriptor_of(text, {"schema.proto": PART})
    (tmp_path / "schema.proto").write_text(PART)
    assert "part" in described(tmp_path, text, "sale.proto").fields


@pytest.mark.parametrize("name", ["", "part.proto/other.proto", f"{300 * 'a'}.proto", "a\0.proto"])
def test_an_import_that_no_file_can_have_is_named(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name of a file"):
        descriptor_of(f"{HEAD}message Sale {{}}", {"part.proto": PART, name: PART})


def test_imports_may_begin_in_a_folder_above(tmp_path: Path) -> None:
    folder = tmp_path / "shop" / "v1"
    folder.mkdir(parents=True)
    (folder / "part.proto").write_text(PART)
    text = f'{HEAD}import "shop/v1/part.proto"; message Sale {{ string id = 1; Part part = 2; }}'
    assert "part" in described(folder, text, "sale.proto").fields


@pytest.mark.parametrize(
    ("schema", "found"),
    [
        ('syntax = "proto2"; message A { optional string id = 1; }', "proto2"),
        ("message A { optional string id = 1; }", "proto2"),
        ('edition = "2023"; message A { string id = 1; }', "editions"),
    ],
)
def test_a_schema_that_is_not_proto3_is_named(schema: str, found: str) -> None:
    with pytest.raises(ValueError, match=f"a.proto: not proto3, but {found}"):
        Descriptor.parse("a.proto", descriptor_of(schema, {}))


def test_a_map_may_be_written_as_its_entries() -> None:
    maps = "map<string, string> tags = 2; map<string, Size> sizes = 3; int64 at = 4; message Size { int32 width = 1; }"
    plain = f"{HEAD}package shop; message Sale {{ string id = 1; {maps} }}"
    parsed = [Descriptor.parse("s", descriptor_of(text, {})) for text in (EXPANDED, plain)]
    assert parsed[0].messages == parsed[1].messages
    protobuf = Protobuf.parse_registered("s", [Frozen(1, 7, descriptor_of(EXPANDED, {}))], "shop.Sale")
    size = FieldType.record({"width": FieldType.INTEGER})
    fields: dict[str, Kind] = {
        "id": FieldType.STRING,
        "at": FieldType.EPOCH_MILLISECONDS,
        "tags": FieldType.map(FieldType.TEXT),
        "sizes": FieldType.map(size),
    }
    stream = Stream("s", "s", fields, "at", "id", format=protobuf)
    sale = {"id": "a", "at": NOON_MS, "tags": {"b": "c"}, "sizes": {"d": {"width": 1}}}
    found = both(ProtobufRecordEncoder(stream, protobuf).plain(sale), stream)
    assert (found["tags"], found["sizes"]) == (sale["tags"], sale["sizes"])


def test_an_imported_map_may_be_written_as_its_entries() -> None:
    text = f'{HEAD}import "sale.proto"; message Basket {{ shop.Sale sale = 1; }}'
    found = Descriptor.parse("s", descriptor_of(text, {"sale.proto": EXPANDED}))
    assert found.messages["shop.Sale.TagsEntry"].is_map_entry


@pytest.mark.parametrize(
    "fields",
    ["string key = 1;", "string key = 1; string other = 2;", "string key = 1; string value = 2; string more = 3;"],
)
def test_a_wrong_entry_of_a_map_is_refused(fields: str) -> None:
    entry = f"message TagsEntry {{ option map_entry = true; {fields} }}"
    text = f"{HEAD}message A {{ repeated TagsEntry tags = 1; {entry} }}"
    with pytest.raises(ValueError, match="TagsEntry is not an entry of a map"):
        descriptor_of(text, {})


def test_repeated_messages_stay_what_they_are() -> None:
    entry = "message TagsEntry { string key = 1; string value = 2; }"
    text = f"{HEAD}message A {{ repeated TagsEntry tags = 1; {entry} }}"
    assert not Descriptor.parse("a", descriptor_of(text, {})).messages["A.TagsEntry"].is_map_entry


def test_options_that_this_process_knows_are_not_in_a_descriptor() -> None:
    # The package of the options is imported, as by a pipeline that uses Google's libraries.
    field = "string id = 1 [(google.api.field_behavior) = REQUIRED];"
    text = f'{HEAD}import "google/api/field_behavior.proto"; message A {{ {field} }}'
    program = "import sys, google.api.field_behavior_pb2\nfrom tandem.schema_registry.protobuf import descriptor_of\n"
    done = subprocess.run(
        [sys.executable, "-c", f"{program}print(descriptor_of(sys.argv[1], {{}}))", text],
        capture_output=True,
        text=True,
        check=True,
    )
    (compiled,) = json.loads(done.stdout)["file"][-1]["messageType"][0]["field"]
    assert compiled["options"] == {}
