"""Which declarations are refused when they are made."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import pytest

from tandem.catalog import declared_by
from tandem.errors import UsageError
from tandem.pipeline import (
    Collection,
    Column,
    DocumentType,
    FieldType,
    Output,
    Pipeline,
    Stream,
    SupersededBy,
    Tally,
    View,
)
from tandem.platforms.provision import indexes_of
from tandem.scaffold import write

DOCUMENTS = IDS = cast(Any, None)


def declared(*outputs: Output) -> Pipeline:
    return Pipeline("p", (), DOCUMENTS, outputs, "dead")


@pytest.mark.parametrize(
    "other",
    [
        Output("elsewhere", DOCUMENTS),
        Output("facts", DOCUMENTS, window=("start", "end")),
        Output("facts", DOCUMENTS, superseded_by=SupersededBy("absent", IDS)),
    ],
)
def test_only_documents_that_are_right_for_good_supersede_others(other: Output) -> None:
    with pytest.raises(ValueError, match="absent is superseded by facts"):
        declared(Output("absent", DOCUMENTS, superseded_by=SupersededBy("facts", IDS)), other)


@pytest.mark.parametrize(
    "name", ["tandem_progress", "tandem_jobs", "tandem_superseded", "tandem_batches", "tandem_replays"]
)
def test_a_collection_of_tandems_own_is_not_for_documents(name: str) -> None:
    """The job would mix its reports with the documents, and the reports' collection forgets old ones."""
    for make in (lambda: Collection(name), lambda: declared(Output(name, DOCUMENTS))):
        with pytest.raises(ValueError, match=f"{name} is a collection of Tandem's own; choose another name"):
            make()
    assert Collection(f"{name}_of_mine").name == f"{name}_of_mine"


def test_documents_may_be_superseded() -> None:
    assert declared(Output("facts", DOCUMENTS), Output("absent", DOCUMENTS, superseded_by=SupersededBy("facts", IDS)))


def test_each_topic_has_one_role() -> None:
    def stream(name: str, topic: str) -> Stream:
        fields = {"id": FieldType.STRING, "at": FieldType.TIMESTAMP}
        return Stream(name, topic, fields, event_time="at", identity="id")

    def of_streams(*streams: Stream) -> Pipeline:
        return Pipeline("p", streams, DOCUMENTS, (), "dead")

    assert of_streams(stream("a", "a_v1"), stream("b", "b_v1"))
    for streams in ((stream("a", "t"), stream("b", "t")), (stream("a", "dead"),)):
        with pytest.raises(ValueError, match=r"pipeline p: several streams, or a stream and .*: (t|dead)$"):
            of_streams(*streams)


FACTS = Collection("facts", {"key": DocumentType.STRING, "at": DocumentType.TIMESTAMP, "who": DocumentType.OBJECT})
ABSENT = Collection("absent", {"key": DocumentType.STRING, "kind": DocumentType.STRING})
VIEW = View("p", FACTS, "facts", (Column("key", "Key"),), ("at",), key="key", key_title="Key", leftovers=ABSENT)


def test_indexes_are_of_declared_fields() -> None:
    assert Collection("facts", FACTS.fields, (("key", "at"), ("_id",), ("who.name",))).indexes
    assert Collection("facts", indexes=(("anything",),)).indexes
    with pytest.raises(ValueError, match=r"the index \('key', 'ky'\) names unknown fields of the collection facts: ky"):
        Collection("facts", FACTS.fields, (("key", "ky"),))


@pytest.mark.parametrize("name", ["$set", "a.b", ".", "$", "a\0"])
def test_a_name_that_no_document_can_have_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"the collection facts: field .* rename it in the transform") as error:
        Collection("facts", {"key": DocumentType.STRING, name: DocumentType.STRING})
    assert repr(name) in str(error.value)
    assert Collection("facts", {"a$": DocumentType.STRING, "two words": DocumentType.STRING})


@pytest.mark.parametrize("wrong", ["text", FieldType.STRING, str])
def test_documents_have_types_of_documents(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"the collection facts: field 'key': .* is not a DocumentType"):
        Collection("facts", {"key": wrong})


def test_a_window_is_of_declared_fields() -> None:
    assert declared(Output(FACTS, DOCUMENTS, window=("at", "at")))
    with pytest.raises(ValueError, match="the window names unknown fields of the collection facts: end"):
        declared(Output(FACTS, DOCUMENTS, window=("at", "end")))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"columns": (Column("_id", "Id"), Column("kye", "Key"))}, "the column 'Key' .* collection facts: kye"),
        ({"event_times": ("at", "since")}, "event_times .* collection facts: since"),
        ({"money": "amount"}, "money .* collection facts: amount"),
        ({"key": "at"}, "key .* collection absent: at"),
        ({"key": "kind"}, "key .* collection facts: kind"),
        ({"tallies": {"a": Tally("who_")}}, "the tally of a .* collection facts: who_"),
        ({"tallies": {"a": Tally("key", leftover={"sort": "a"})}}, "the tally of a .* collection absent: sort"),
    ],
)
def test_a_view_is_of_declared_fields(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(VIEW, **change)
    undeclared = {"results": Collection("facts"), "leftovers": Collection("absent")}
    assert replace(VIEW, **(change | undeclared))


def test_times_are_shown_as_times() -> None:
    columns = (Column("at", "At"), Column("key", "Key"))
    assert [column.shown for column in replace(VIEW, columns=columns).columns] == ["time", "text"]


def test_aggregates_need_no_key() -> None:
    assert replace(VIEW, key="sale_id", leftovers=None, aggregates=True)


@pytest.mark.parametrize(
    "package",
    [
        "tandem.pipelines.orders_payments",
        "tandem.pipelines.segment_revenue",
        "tandem.pipelines.shipped_orders",
        "tandem.scaffold.example",
    ],
)
def test_what_is_written_is_what_is_declared(package: str) -> None:
    streams, pipeline = import_module(f"{package}.streams"), import_module(f"{package}.transform").PIPELINE
    assert tuple(output.collection for output in pipeline.outputs) == streams.COLLECTIONS
    assert pipeline.lookups == getattr(streams, "LOOKUPS", ())


def test_an_error_in_a_view_is_reported_with_its_line(tmp_path: Path) -> None:
    place = write("notes", tmp_path / "declared_pipelines")
    assert indexes_of(place)["notes_unanswered"] == (("request_id",), ("kind",))
    file = place.file("streams")
    good = file.read_text()
    file.write_text(good.replace('Column("service"', 'Column("servise"'))
    place.forget()
    with pytest.raises(UsageError, match=r"streams\.py:\d+: .* the column 'Service' .* notes_answered: servise"):
        declared_by(place)
    file.write_text(good.replace("COLLECTIONS", "WRITTEN"))
    place.forget()
    with pytest.raises(UsageError, match=r"streams\.py does not declare COLLECTIONS"):
        declared_by(place)


def test_a_pipeline_of_one_file_may_declare_its_documents(tmp_path: Path) -> None:
    place = write("ledger", tmp_path / "declared_pipelines")
    for module in ("streams", "oracle", "generator"):
        place.file(module).unlink()
    place.file("transform").write_text(
        "from tandem.pipeline import Collection, DocumentType, FieldType, Output, Pipeline, Stream\n"
        "FIELDS = {'id': FieldType.STRING, 'at': FieldType.TIMESTAMP}\n"
        "SALES = Stream('sales', 'sales', FIELDS, event_time='at', identity='id')\n"
        "TOTALS = Collection('totals', {'day': DocumentType.DATE, 'total': DocumentType.INTEGER}, (('day',),))\n"
        "PIPELINE = Pipeline('ledger', (SALES,), None, (Output(TOTALS, None), Output('raw', None)), 'dead')\n"
    )
    view = declared_by(place).view
    assert view is not None
    assert [(column.field, column.shown) for column in view.columns] == [
        ("_id", "text"),
        ("day", "time"),
        ("total", "text"),
    ]
    assert (view.event_times, view.key, view.aggregates) == ((), "id", True)
    assert indexes_of(place) == {"totals": (("day",),), "raw": ()}
