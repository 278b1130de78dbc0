"""When the driver inserts a small batch's documents, and when it replaces them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
from py4j.protocol import Py4JJavaError

from tandem.engine.write import mongo_sink
from tandem.engine.write.mongo_sink import SmallWriter
from tests.spark.records import job_config

DUPLICATES = (
    "com.mongodb.MongoBulkWriteException: [BulkWriteError{index=0, code=11000, message='E11000 duplicate key'}]"
)


class Failed(Py4JJavaError):
    """What py4j raises for a Java exception with this text."""

    def __init__(self, text: str) -> None:
        self.java_exception = SimpleNamespace(toString=lambda: text, getCause=lambda: None)


class Collection:
    """Records what is asked of MongoDB."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.failures: dict[str, str] = {}

    def writer(self, _rows: Any, _provider: str, options: dict[str, str]) -> Any:
        def write(_rows: Any) -> None:
            operation = options["operationType"]
            self.asked.append(operation)
            if operation in self.failures:
                raise Failed(self.failures[operation])

        return SimpleNamespace(write=write, close=lambda: None)


@pytest.fixture
def collection(monkeypatch: pytest.MonkeyPatch) -> Collection:
    found = Collection()
    monkeypatch.setattr(mongo_sink, "DriverQuery", MagicMock())
    monkeypatch.setattr(mongo_sink, "F", MagicMock())
    monkeypatch.setattr(mongo_sink, "DriverWriter", found.writer)
    monkeypatch.setattr(mongo_sink, "has_days_or_nested", lambda _: False)
    monkeypatch.setattr(mongo_sink, "write_documents", lambda *_, **__: found.asked.append("tasks"))
    return found


def small_writer() -> SmallWriter:
    rows: Any = MagicMock()
    return SmallWriter(rows, rows.placeholder, "facts", job_config("p"))


def test_new_documents_are_inserted(collection: Collection) -> None:
    writer = small_writer()
    for _ in range(2):
        writer.write(old=False)
    assert collection.asked == ["insert", "insert"]


def test_existing_documents_are_replaced_and_so_are_those_of_the_next_batches(collection: Collection) -> None:
    writer = small_writer()
    collection.failures["insert"] = DUPLICATES
    writer.write(old=False)
    assert collection.asked == ["insert", "replace"]
    del collection.failures["insert"]
    for _ in range(21):
        writer.write(old=False)
    assert collection.asked[2:] == ["replace"] * 20 + ["insert"]


@pytest.mark.parametrize("operation", ["insert", "replace"])
def test_tasks_write_what_the_driver_cannot(collection: Collection, operation: str) -> None:
    """Another unique index rejects a document as a duplicate, too: then the replacement fails."""
    collection.failures["insert"] = DUPLICATES
    collection.failures[operation] = DUPLICATES if operation == "replace" else "com.mongodb.MongoSocketReadException"
    small_writer().write(old=False)
    assert collection.asked == (["insert", "tasks"] if operation == "insert" else ["insert", "replace", "tasks"])
