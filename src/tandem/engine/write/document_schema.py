"""Makes the documents of all outputs, and checks their declared fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pyspark.sql import DataFrame
from pyspark.sql.types import DataType

from tandem.engine.declare.collection import ID, Collection
from tandem.engine.declare.field_name import unusable_in_documents
from tandem.engine.declare.field_type import DocumentType
from tandem.engine.declare.pipeline import Output, Pipeline
from tandem.engine.spark.failure import CannotGoOnError

# Declared types whose Spark types have other names.
_DECLARED_AS = {
    **dict.fromkeys(("byte", "short", "long"), DocumentType.INTEGER),
    "float": DocumentType.DOUBLE,
    **dict.fromkeys(("struct", "map"), DocumentType.OBJECT),
}


def documents_of(pipeline: Pipeline, events: DataFrame) -> dict[str, DataFrame]:
    """Returns the documents made of the transform's rows, by collection.

    Raises:
        CannotGoOnError: the fields differ from the declared ones, or MongoDB does not accept a name. The message names
            each field.
    """
    documents = {output.collection_name: output.documents(events) for output in pipeline.outputs}
    unusable = [
        f"{name}: {problem}" for name, each in documents.items() for problem in unusable_in_documents(each.columns)
    ]
    if unusable:
        raise CannotGoOnError("; ".join(unusable))
    differences = [each for output in pipeline.outputs for each in _differences(output, documents)]
    if differences:
        raise CannotGoOnError(f"the documents are not as declared: {'; '.join(differences)}")
    return documents


def _differences(output: Output, documents: Mapping[str, DataFrame]) -> Iterator[str]:
    collection = output.collection_name
    fields = output.collection.fields if isinstance(output.collection, Collection) else {}
    declared = {ID: DocumentType.STRING, **fields}
    there = {field.name: field.dataType for field in documents[collection].schema}
    for name, kind in declared.items():
        if name not in there:
            yield f"{collection} has no field {name}"
        elif _type_of(there[name]) != kind:
            yield f"{collection}.{name} is {there[name].simpleString()}, declared as {kind}"
    for name in sorted(there.keys() - declared.keys()) if fields else ():
        yield f"{collection}.{name} is not declared"


def _type_of(kind: DataType) -> str:
    name = kind.typeName()
    return _DECLARED_AS.get(name, name)
