"""Schemas that refer to other subjects, as Confluent's API returns them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tandem.pipeline import Avro
from tandem.scaffold.sources import read_source
from tandem.schema_registry import Registry, check, pull
from tandem.schema_registry.subjects import frozen_of
from tests.avro import MICROS, field
from tests.unit.test_from_records import no_kafka
from tests.unit.test_schema_registry import SUBJECT, Server, problems, registry, server, stream_of
from tests.wire_format import JSON_FLAT

__all__ = ["registry", "server"]
COUNTRY = {"type": "enum", "name": "geo.Country", "symbols": ["DE", "FR"], "default": "DE"}
ADDRESS = {
    "type": "record",
    "name": "Address",
    "namespace": "shop.v1",
    "fields": [field("street", "string"), field("country", "geo.Country")],
}
SALE = {
    "type": "record",
    "name": "Sale",
    "namespace": "shop.v1",
    "doc": "a sale",
    "fields": [
        field("id", "string", doc="unique"),
        field("at", MICROS, aliases=["happened"]),
        field("amount", "long"),
        field("currency", "string", default="EUR"),
        field("rated", MICROS, default=0),
        field("home", ["null", "Address"], default=None),
        field("others", {"type": "array", "items": "shop.v1.Address"}),
        field("country", "geo.Country"),
    ],
}
# Registries call a reference by the type's name, or by any label.
TO_COUNTRY = {"name": "country.avsc", "subject": "country", "version": 1}
TO_ADDRESS = {"name": "shop.v1.Address", "subject": "address", "version": 2}


def add(server: Server) -> None:
    server.add(1, json.dumps(COUNTRY), "country")
    server.add(2, json.dumps({**ADDRESS, "fields": ADDRESS["fields"][:1]}), "address")
    server.add(3, json.dumps(ADDRESS), "address", references=[TO_COUNTRY])
    server.add(4, json.dumps(SALE), references=[TO_ADDRESS, TO_COUNTRY])


def test_types_of_other_subjects_are_defined_where_they_are_used_first(
    server: Server, registry: Registry, tmp_path: Path
) -> None:
    add(server)
    done = pull(registry, tmp_path, SUBJECT)
    assert (done.new, done.skipped) == (["schemas/sales-value.v1.id4.avsc"], [])
    whole = json.loads((tmp_path / done.new[0]).read_text())
    fields = {each["name"]: each for each in whole["fields"]}
    address = fields["home"]["type"][1]
    assert (address["name"], address["fields"][1]["type"]) == ("shop.v1.Address", COUNTRY)
    assert (fields["others"]["type"]["items"], fields["country"]["type"]) == ("shop.v1.Address", "geo.Country")
    # The rest is as registered.
    assert (whole["doc"], fields["id"]["doc"], fields["at"]["aliases"]) == ("a sale", "unique", ["happened"])
    assert (fields["at"]["type"], fields["currency"]["default"]) == (MICROS, "EUR")
    assert pull(registry, tmp_path, SUBJECT).known == 1
    # The file needs no registry.
    values = Avro.parse_registered(SUBJECT, frozen_of(tmp_path, SUBJECT, "AVRO"))
    stream_of(values)


def test_a_check_sends_the_references(server: Server, registry: Registry, tmp_path: Path) -> None:
    add(server)
    pull(registry, tmp_path, SUBJECT)
    values = Avro.parse_registered(SUBJECT, frozen_of(tmp_path, SUBJECT, "AVRO"))
    assert problems(check(registry, tmp_path, stream_of(values), values)) == []
    assert server.asked[-1][1] == {"schema": json.dumps(SALE), "references": [TO_ADDRESS, TO_COUNTRY]}
    server.subjects["address"][2]["schema"] = json.dumps({**ADDRESS, "doc": "changed"})
    changed = "version 1 (id 4) is not what its file says; delete the file and pull again"
    assert problems(check(registry, tmp_path, stream_of(values), values)) == [changed]


@pytest.mark.parametrize(
    ("references", "reason"),
    [
        ([TO_COUNTRY], "it uses the type shop.v1.Address, which none of its references defines"),
        ([{**TO_ADDRESS, "version": 9}], "it refers to version 9 of address, which the registry does not have"),
        ([TO_ADDRESS, {**TO_ADDRESS, "version": 1}], "it refers to two versions of shop.v1.Address"),
        ([{"name": "x", "subject": "wrong", "version": 1}], "it is not an Avro schema"),
    ],
)
def test_references_that_lead_nowhere_are_skipped_with_the_reason(
    references: list[dict[str, Any]], reason: str, server: Server, registry: Registry, tmp_path: Path
) -> None:
    add(server)
    server.add(5, '["string"]', "wrong")
    server.add(6, json.dumps(SALE), references=references)
    done = pull(registry, tmp_path, SUBJECT)
    assert done.new == ["schemas/sales-value.v1.id4.avsc"]
    (skipped,) = done.skipped
    assert skipped.startswith(f"version 2 (id 6): {reason}")


def test_references_that_lead_to_themselves_end(server: Server, registry: Registry, tmp_path: Path) -> None:
    server.add(1, json.dumps(SALE), references=[{"name": "self", "subject": SUBJECT, "version": 1}])
    (skipped,) = pull(registry, tmp_path, SUBJECT).skipped
    assert "which none of its references defines" in skipped


def test_a_json_schema_gets_what_it_refers_to(server: Server, registry: Registry, tmp_path: Path) -> None:
    country = {"type": "string", "enum": ["DE", "FR"]}
    address = {"type": "object", "properties": {"country": {"$ref": "country.json"}}, "required": ["country"]}
    root = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {"id": {"type": "string"}, "home": {"$ref": "address.json"}, "n": {"$ref": "#/$defs/n"}},
        "required": ["id", "home"],
        "$defs": {"n": {"type": "integer"}},
    }
    server.add(1, json.dumps(country), "country", schemaType="JSON")
    to_country = {"name": "country.json", "subject": "country", "version": 1}
    server.add(2, json.dumps(address), "address", schemaType="JSON", references=[to_country])
    to_address = {"name": "address.json", "subject": "address", "version": 1}
    server.add(7, json.dumps(root), schemaType="JSON", references=[to_address])
    (path,) = pull(registry, tmp_path, SUBJECT).new
    whole = json.loads((tmp_path / path).read_text())
    assert whole["properties"] == root["properties"]
    assert set(whole["$defs"]) == {"n", "address.json", "country.json"}
    # `tandem new --from` finds all of it in the file.
    described = read_source(str(tmp_path / path), no_kafka)
    assert (set(described.fields), described.notes) == ({"id", "home", "n"}, ())
    assert JSON_FLAT.format is not None
    list(check(registry, tmp_path, JSON_FLAT, JSON_FLAT.format))  # type: ignore[arg-type]
    assert server.asked[-1][1] == {"schema": json.dumps(root), "schemaType": "JSON", "references": [to_address]}
    server.add(8, json.dumps({**root, "$defs": {"address.json": {}}}), schemaType="JSON", references=[to_address])
    (skipped,) = pull(registry, tmp_path, SUBJECT).skipped
    assert "it has a definition with the name of a reference" in skipped
