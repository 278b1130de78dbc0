"""`docker compose --profile registry up`: a schema registry that Confluent's client and `tandem schemas` use.

Marked ``by_name``, because its image needs a download of 142 MB.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import docker
import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

from tandem.scaffold import Format, write
from tandem.settings.load import load
from tests import STATE
from tests.compose.conftest import Stack
from tests.readme import commands_of, run

pytestmark = pytest.mark.by_name
PROJECT = "tandem-tests-registry"
FIRST_PORT, PORT = 29_760, 29_767
UP, SET_ADDRESS = (
    each for each in commands_of("guides/registry.md") if "18082" in each or "--profile registry" in each
)
SCHEMA = json.dumps({"type": "record", "name": "Parcel", "fields": [{"name": "id", "type": "string"}]})


@pytest.fixture(scope="module")
def stack(client: docker.DockerClient) -> Iterator[Stack]:
    """Only the registry runs."""
    ca = load("local").ca
    extra = (
        ("TANDEM_PROJECT", PROJECT),
        ("TANDEM_IMAGES", "built"),
        ("TANDEM_REGISTRY__PORT", str(PORT)),
        *((("TANDEM_CA", str(ca)),) if ca else ()),
    )
    found = Stack(STATE / "compose-registry", FIRST_PORT, extra, "local")
    found.tandem("down", "--volumes")
    found.compose("build", "registry")
    try:
        run(UP, found.variables)
        yield found
    finally:
        found.tandem("down", "--volumes", code=None)


def test_schemas_are_registered_and_pulled(stack: Stack, tmp_path: Path) -> None:
    own = write("parcels", tmp_path / "pipelines", Format.JSON).folder
    address = SET_ADDRESS.partition("=")[2].replace(":18082/", f":{PORT}/")
    with SchemaRegistryClient({"url": address}) as registry:
        schema_id = registry.register_schema("parcels-value", Schema(SCHEMA, "AVRO"))
    pipeline = (("TANDEM_PIPELINE", "parcels"), ("TANDEM_PIPELINES_DIR", str(own.parent)))
    extra = (*stack.extra, *pipeline, ("TANDEM_REGISTRY__URL", address))
    mine = replace(stack, extra=extra)
    assert f"parcels-value.v1.id{schema_id}.avsc" in mine.tandem("schemas", "pull", "parcels-value").stdout


def test_only_this_machine_reaches_it_and_it_has_no_rights(stack: Stack) -> None:
    (container,) = stack.containers.of(PROJECT).values()
    attributes = container.attrs
    assert attributes["NetworkSettings"]["Ports"]["8081/tcp"] == [{"HostIp": "127.0.0.1", "HostPort": str(PORT)}]
    assert (attributes["HostConfig"]["CapDrop"], attributes["HostConfig"]["ReadonlyRootfs"]) == (["ALL"], True)
    assert attributes["Config"]["User"] not in ("", "0", "root")


def test_down_removes_it(stack: Stack) -> None:
    stack.tandem("down")
    assert stack.containers.of(PROJECT) == {}
