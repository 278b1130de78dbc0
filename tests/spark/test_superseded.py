"""Of what a batch has written, the documents go that a note is about, whether there are few of them or many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pyspark.sql import SparkSession

from tandem.engine.write import superseded
from tandem.engine.write.superseded import Superseded
from tests.spark.records import job_config

NOTES = {"absent/b": "b", "absent/z": "z", "others/a": "a"}
# Spark's time of a document; MongoDB keeps the milliseconds.
UNTIL = datetime(2026, 11, 30, 10, 30, 0, 500, UTC)
STORED = UNTIL.replace(microsecond=0)


class Notes:
    """The collection of notes, which counts what is asked of it."""

    def __init__(self) -> None:
        self.asked: list[Sequence[str]] = []
        self.deleted: list[dict[str, Any]] = []

    def delete(self, query: dict[str, Any]) -> int:
        self.deleted.append(query)
        return 0

    def presence_of(self, query: dict[str, Any]) -> Callable[[], bool]:
        return lambda: any(each.startswith(f"{query['collection']}/") for each in NOTES)

    def with_ids(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        self.asked.append(ids)
        return [{"_id": each, "document": NOTES[each]} for each in ids if each in NOTES]


@pytest.mark.parametrize(("few", "requests"), [(100, 1), (2, 0)], ids=["few documents", "many documents"])
def test_what_a_note_is_about_goes(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch, few: int, requests: int
) -> None:
    notes, deleted = Notes(), list[str]()
    rows = [(*each.split("/"),) for each in NOTES]
    monkeypatch.setattr(superseded, "FEW", few)
    monkeypatch.setattr(superseded, "MongoCollection", lambda *_: notes)
    monkeypatch.setattr(
        superseded, "read_collection", lambda *_: spark.createDataFrame(rows, "collection string, document string")
    )
    found = Superseded(spark, job_config("p"))
    monkeypatch.setattr(found, "delete", lambda _, ids: deleted.extend(ids) or len(ids))
    written = spark.createDataFrame([("a",), ("b",), ("c",), ("b",)], "_id string")
    assert found.remove("absent", written) == 1
    assert deleted == ["b"]
    assert len(notes.asked) == requests
    # Without any note about a collection nothing needs to be computed of what was written.
    assert found.has_notes("absent")
    assert not found.has_notes("facts")


@pytest.mark.parametrize(("milliseconds", "needed"), [(0, True), (1, True), (2, False)])
def test_a_note_is_kept_as_long_as_the_job_may_write_its_document(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch, milliseconds: int, needed: bool
) -> None:
    """Spark evicts an event once the watermark is a millisecond after `until`."""
    watermark = STORED + timedelta(milliseconds=milliseconds)
    assert (watermark < UNTIL + timedelta(milliseconds=1)) == needed
    notes, written = Notes(), list[str]()
    monkeypatch.setattr(superseded, "MongoCollection", lambda *_: notes)
    monkeypatch.setattr(
        superseded, "write_documents", lambda rows, *_, **__: written.extend(row["document"] for row in rows.collect())
    )
    found = Superseded(spark, job_config("p"))
    found.note("absent", spark.createDataFrame([("a", UNTIL)], "_id string, until timestamp"), watermark)
    assert written == (["a"] if needed else [])
    found.forget(["absent"], watermark)
    (query,) = notes.deleted
    assert (datetime.fromisoformat(query["until"]["$lt"]["$date"]) > STORED) != needed
