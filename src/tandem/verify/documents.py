"""Compares the documents of one collection with the expected ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isnan
from typing import Any

from bson.dbref import DBRef
from bson.int64 import Int64

from tandem.verify.oracle import Document
from tandem.verify.removed import Removed
from tandem.verify.report import Kind, Problems

# A document without its ``_id``.
Content = frozenset[tuple[str, Any]]


class CollectionDifferences:
    """The differences in one collection from one expectation or any of several.

    Args:
        collection: its name.
        stored: the stored documents.
        expected: the expected documents, by ``_id``.
        removed: decides which documents may be of removed records.

    Attributes:
        removed: the number of differences that are none, because such a document may be of removed records.
    """

    def __init__(
        self, collection: str, stored: Iterable[Document], expected: Mapping[str, Document], removed: Removed
    ) -> None:
        self._collection, self._removed = collection, removed
        self.removed = 0
        # The differing fields of an expected document that exists, and the document.
        self._wrong: dict[str, tuple[Document, set[str]]] = {}
        self._unexpected: list[Document] = []
        self._missing = set(expected)
        # To recognise copies under another _id.
        self._contents: set[Content] = set()
        for document in stored:
            must_be = _of_its_id(document, expected)
            if must_be is not None:
                self._missing.discard(must_be["_id"])
                if fields := differing_fields(document, must_be):
                    self._add_wrong(document, must_be["_id"], fields)
                continue
            self._contents = self._contents or set(map(content_of, expected.values()))
            if removed.may_have_made(document) and not (
                removed.is_dated(document) and content_of(document) in self._contents
            ):
                # Not kept: most documents may be of removed records.
                self.removed += 1
            else:
                self._unexpected.append(document)

    def __bool__(self) -> bool:
        """Whether anything differs."""
        return bool(self._wrong or self._unexpected or self._missing)

    def or_expected(self, expected: Mapping[str, Document]) -> None:
        """Drops differences that do not exist for other expected documents.

        A document may match any expectation.
        """
        self._missing &= expected.keys()
        self._wrong = {
            identity: (document, fields)
            for identity, (document, fields) in self._wrong.items()
            if identity not in expected or differing_fields(document, expected[identity])
        }
        unexpected, self._unexpected = self._unexpected, []
        for document in unexpected:
            must_be = _of_its_id(document, expected)
            if must_be is None:
                self._unexpected.append(document)
            elif fields := differing_fields(document, must_be):
                self._add_wrong(document, must_be["_id"], fields)
        if self._unexpected:
            self._contents.update(content_of(document) for document in expected.values())

    def _add_wrong(self, document: Document, identity: str, fields: set[str]) -> None:
        if self._removed.may_have_changed(document):
            self.removed += 1
        else:
            self._wrong[identity] = document, fields

    def add_to(self, problems: Problems) -> None:
        """Adds the differences from every expectation."""
        for identity, (_, fields) in self._wrong.items():
            problems.add(Kind.WRONG, self._collection, identity, ", ".join(sorted(fields)))
        for document in self._unexpected:
            kind = Kind.DOUBLED if content_of(document) in self._contents else Kind.INVENTED
            problems.add(kind, self._collection, document.get("_id"))
        for lost in sorted(self._missing):
            problems.add(Kind.LOST, self._collection, lost)


def _of_its_id(document: Document, expected: Mapping[str, Document]) -> Document | None:
    identity = document.get("_id")
    return expected.get(identity) if type(identity) is str else None


def differing_fields(stored: Document, expected: Document) -> set[str]:
    """Returns the fields that differ in presence, value or type.

    An expected None means a missing field, and an expected integer may be stored as a long. NaN equals itself.

    In Python 5.0 and true equal integers, but not here.
    """
    return {
        name
        for name in stored.keys() | expected.keys()
        if (expected.get(name) is not None if name not in stored else not _equal(stored[name], expected.get(name)))
    }


def _equal(found: Any, expected: Any) -> bool:
    """Returns whether two values and their types are equal, at all levels."""
    if isinstance(found, DBRef):  # PyMongo reads a nested document with the fields $ref and $id as this
        found = dict(found.as_doc())
    if type(found) is dict and isinstance(expected, Mapping):
        return not differing_fields(found, expected)
    if type(found) is list and isinstance(expected, list | tuple):
        return len(found) == len(expected) and all(map(_equal, found, expected))
    # Null is never stored.
    if isinstance(found, float) and isinstance(expected, float) and isnan(found):
        return isnan(expected)
    same_type = type(found) is type(expected) or (type(found) is Int64 and type(expected) is int)
    return same_type and found is not None and bool(found == expected)


def content_of(document: Document) -> Content:
    """Returns a document's content without its ``_id``."""
    return frozenset((name, repr(value)) for name, value in document.items() if name != "_id")
