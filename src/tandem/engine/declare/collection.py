"""Declares the documents of MongoDB collections, without Spark."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from tandem.engine.declare.field_name import unusable_in_documents
from tandem.engine.declare.field_type import DocumentType
from tandem.engine.declare.kind import Array, Kind, Map, Record
from tandem.engine.declare.kind import check_fields as check_kinds
from tandem.engine.declare.stream import (
    BATCH_COLLECTION,
    JOB_COLLECTION,
    PROGRESS_COLLECTION,
    REPLAY_COLLECTION,
    SUPERSEDED_COLLECTION,
)

# The field that identifies a document. Every document has it, as a string, so no collection declares it.
ID = "_id"
# Collections of Tandem's own in a pipeline's database.
_OWN = frozenset({PROGRESS_COLLECTION, JOB_COLLECTION, BATCH_COLLECTION, REPLAY_COLLECTION, SUPERSEDED_COLLECTION})
# The fields of each index, in order.
Indexes = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Collection:
    """Declares the documents that a pipeline writes to a collection.

    Attributes:
        name: the collection's name in MongoDB.
        fields: the documents' fields besides ``_id``, and their types. The job does not start if its documents have
            others. If empty, the documents are not checked.
        indexes: the indexes besides that of ``_id``: the fields of each, in order.

    Raises:
        ValueError: the name is that of a collection of Tandem's own, a field's name or type is not possible in a
            document, or an index names an undeclared field.

    Examples:
        >>> Collection("facts", fields={"amount": DocumentType.INTEGER}, indexes=(("ammount",),))
        Traceback (most recent call last):
        ...
        ValueError: the index ('ammount',) names unknown fields of the collection facts: ammount
    """

    name: str
    fields: Mapping[str, DocumentType] = field(default_factory=dict)
    indexes: Indexes = ()

    def __post_init__(self) -> None:
        check_name(self.name)
        object.__setattr__(self, "fields", MappingProxyType(dict(self.fields)))
        for name, kind in self.fields.items():
            if kind not in [*DocumentType]:
                raise ValueError(f"the collection {self.name}: field {name!r}: {kind!r} is not a DocumentType")
        for problem in unusable_in_documents(self.fields):
            raise ValueError(f"the collection {self.name}: {problem}")
        for index in self.indexes:
            # A dot separates an object from a field in it.
            check_fields(self, f"the index {index}", (name.partition(".")[0] for name in index))


@dataclass(frozen=True)
class Lookup:
    """Declares a collection that the transform looks up.

    The transform gets it as a keyword argument with the collection's name.

    Each batch reads the collection again, and a batch may be repeated. To get the same result every time, store
    versions: add a version before it becomes valid, never change it, and let the transform use the version that was
    valid at the event's time.

    Attributes:
        collection: its name.
        fields: the fields to read and their types; a field that a document lacks is null.
        indexes: the indexes besides that of ``_id``: the fields of each, in order.

    Raises:
        ValueError: Spark does not support such fields, or one of them has a default.
    """

    collection: str
    fields: Mapping[str, Kind]
    indexes: Indexes = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", MappingProxyType(dict(self.fields)))
        try:
            check_kinds(self.fields)
            for name, kind in self.fields.items():
                if _has_default(kind):
                    raise ValueError(f"field {name!r} of a lookup cannot have a default: a missing field is null")
        except ValueError as error:
            raise ValueError(f"the lookup {self.collection}: {error}") from None


def check_name(collection: str) -> None:
    """Raises ValueError if a collection of this name is Tandem's own."""
    if collection in _OWN:
        raise ValueError(f"{collection} is a collection of Tandem's own; choose another name")


def check_fields(collection: Collection, what: str, names: Iterable[str]) -> None:
    """Raises ValueError if ``what`` names a field that the collection does not declare."""
    unknown = [name for name in names if name != ID and name not in collection.fields]
    if collection.fields and unknown:
        raise ValueError(f"{what} names unknown fields of the collection {collection.name}: {', '.join(unknown)}")


def name_of(collection: Collection | str) -> str:
    """Returns the name of a declared collection, or the name itself."""
    return collection if isinstance(collection, str) else collection.name


def _has_default(kind: Kind) -> bool:
    """Returns whether a type, or a type nested in it, has a default."""
    match kind:
        case Record():
            inside = any(map(_has_default, kind.fields.values()))
        case Array():
            inside = _has_default(kind.items)
        case Map():
            inside = _has_default(kind.values)
        case _:
            inside = False
    return inside or kind.fallback is not None
