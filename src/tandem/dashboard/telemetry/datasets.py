"""Describes a pipeline's topics and collections as datasets of OpenLineage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from openlineage.client.event_v2 import InputDataset, OutputDataset
from openlineage.client.facet_v2 import DatasetFacet, schema_dataset
from openlineage.client.naming.dataset import Kafka
from pymongo.uri_parser import parse_uri

from tandem.catalog import Declaration
from tandem.engine.declare.collection import ID
from tandem.engine.declare.field_type import DocumentType
from tandem.engine.declare.kind import Array, Kind, Map, Record
from tandem.settings.model import MongoSettings, Settings

_Field = schema_dataset.SchemaDatasetFacetFields
_SRV = "mongodb+srv://"


@dataclass(frozen=True)
class Datasets:
    """What a job reads and writes.

    Attributes:
        inputs: topics, and collections that the transform looks up.
        outputs: collections, and the topic of dead letters.
    """

    inputs: tuple[InputDataset, ...]
    outputs: tuple[OutputDataset, ...]


def datasets_of(settings: Settings, declaration: Declaration) -> Datasets:
    """Returns a pipeline's datasets with the declared fields."""
    brokers, mongo = settings.kafka.bootstrap, _namespace(settings.mongo)
    lookups = [
        InputDataset(mongo, f"{settings.mongo.database}.{lookup.collection}", facets=_schema(lookup.fields))
        for lookup in declaration.lookups
    ]
    topics = [
        InputDataset(*_topic(brokers, stream.topic), facets=_schema(stream.fields)) for stream in declaration.streams
    ]
    collections = [
        OutputDataset(mongo, f"{settings.mongo.database}.{each.name}", facets=_schema(_documents(each.fields)))
        for each in declaration.collections
    ]
    letters = OutputDataset(*_topic(brokers, declaration.dead_letter_topic))
    return Datasets((*topics, *lookups), (*collections, letters))


def _topic(brokers: str, topic: str) -> tuple[str, str]:
    """Returns the namespace of the first broker, and the name."""
    host, _, port = brokers.partition(",")[0].strip().rpartition(":")
    named = Kafka(host, port, topic)
    return named.get_namespace(), named.get_name()


def _namespace(mongo: MongoSettings) -> str:
    """Returns the first member's address; of a name that DNS resolves, the name."""
    if mongo.uri.startswith(_SRV):
        return f"mongodb://{mongo.uri.removeprefix(_SRV).partition('/')[0].partition('?')[0]}"
    host, port = parse_uri(mongo.uri)["nodelist"][0]
    return f"mongodb://{host}:{port}"


def _documents(fields: Mapping[str, DocumentType]) -> Mapping[str, str]:
    return {ID: DocumentType.STRING, **fields} if fields else {}


def _schema(fields: Mapping[str, Kind] | Mapping[str, str]) -> dict[str, DatasetFacet]:
    if not fields:
        return {}
    return {"schema": schema_dataset.SchemaDatasetFacet([_field(name, kind) for name, kind in fields.items()])}


def _field(name: str, kind: Kind | str) -> _Field:
    """Returns a field.

    The items of an array and the parts of a map have the names of OpenLineage's specification.
    """
    match kind:
        case Record():
            within = [_field(*each) for each in kind.fields.items()]
        case Array():
            within = [_field("_element", kind.items)]
        case Map():
            within = [_field("key", "string"), _field("value", kind.values)]
        case _:
            within = []
    return _Field(name, str(kind), fields=within)
