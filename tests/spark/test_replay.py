"""A replay's batch: which documents its records decide, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from tandem.engine.declare.replay_range import NEVER_MS, ReplayRange
from tandem.engine.read.decided import DECIDED
from tandem.engine.read.parse import ASIDE, parse
from tandem.engine.run import replay as replaying
from tandem.engine.run import stored_documents
from tandem.engine.run.replay import contents_of, decided_rows
from tandem.engine.run.stored_documents import StoredDocuments
from tandem.engine.spark.failure import CannotGoOnError
from tandem.engine.write.document_schema import documents_of
from tandem.pipeline import Pipeline, Stream
from tandem.pipelines.orders_payments.streams import FACTS, ORDERS, UNMATCHED
from tandem.pipelines.orders_payments.transform import PIPELINE
from tandem.pipelines.segment_revenue.transform import PIPELINE as SUMS
from tests.spark.records import ARRIVED, LATENESS_SECONDS, job_config, kafka_rows
from tests.spark.test_transform import closing, order, payment

T0 = ARRIVED - timedelta(hours=6)
CONFIG = job_config("orders_payments", match_window_seconds=1800)
ORDERED = [order("before", -1), order("first", 0), order("a", 20), order("last", 60), order("open", 60.001), b"{"]
PAID = [payment("p", "a", 30), payment("alone", "gone", 30), payment("q", "before", 25), payment("clock", "x", 95)]


def ms(minute: float) -> int:
    return round((T0 + timedelta(minutes=minute)).timestamp() * 1000)


def span_of(complete_minute: float | None, **values: Any) -> ReplayRange:
    complete_ms = None if complete_minute is None else ms(complete_minute)
    return ReplayRange(offsets={}, since_ms=0, complete_ms=complete_ms, **values)


@pytest.fixture
def topics(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Replaces the topics by records."""

    def fill(**records: list[Any]) -> None:
        def parsed(_spark: object, stream: Stream, *_: object) -> DataFrame:
            return parse(
                kafka_rows(spark, stream.topic, records[stream.name]),
                stream,
                max_clock_skew_seconds=300,
                sender=CONFIG.sender,
            )

        def events(*arguments: Any) -> DataFrame:
            return parsed(*arguments).where(F.col(ASIDE).isNull()).drop(ASIDE)

        monkeypatch.setattr(replaying, "parsed_in", parsed)
        monkeypatch.setattr(replaying, "events_in", events)

    return fill


def ids(rows: DataFrame) -> dict[str, set[str]]:
    return {name: {row["_id"] for row in each.collect()} for name, each in documents_of(PIPELINE, rows).items()}


def test_an_event_is_unmatched_only_if_all_possible_partners_were_read(
    spark: SparkSession, topics: Callable[..., None]
) -> None:
    topics(orders=ORDERED, payments=PAID)
    # Complete from half an hour before `first`, up to half an hour after `last`.
    found = ids(decided_rows(spark, PIPELINE, CONFIG, span_of(-30), ms(90)))
    assert found == {
        # A pair is certain, whatever was not read.
        FACTS.name: {"a|p", "before|q"},
        UNMATCHED.name: {"order|first", "order|last", "payment|alone"},
    }
    # One millisecond less at either end, and the events at the edges are not decided.
    assert ids(decided_rows(spark, PIPELINE, CONFIG, span_of(-30 + 1 / 60_000), ms(90) - 1))[UNMATCHED.name] == {
        "payment|alone"
    }
    # All records from the topics' begin on: nothing is missing before.
    assert "order|first" in ids(decided_rows(spark, PIPELINE, CONFIG, span_of(None), ms(90)))[UNMATCHED.name]


def test_only_pairs_have_documents_if_nothing_is_known_about_removed_records(
    spark: SparkSession, topics: Callable[..., None]
) -> None:
    topics(orders=ORDERED, payments=PAID)
    unknown = ReplayRange(offsets={}, since_ms=0, complete_ms=NEVER_MS)
    found = ids(decided_rows(spark, PIPELINE, CONFIG, unknown, ms(90)))
    assert found == {FACTS.name: {"a|p", "before|q"}, UNMATCHED.name: set()}


def test_without_the_limits_a_batch_invents_unmatched_documents(
    spark: SparkSession, topics: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control: `open` and `clock` may still get a partner."""
    topics(orders=ORDERED, payments=PAID)
    endless = ms(1_000_000)
    found = ids(decided_rows(spark, PIPELINE, CONFIG, span_of(None), endless))[UNMATCHED.name]
    assert {"order|open", "payment|clock"} <= found


def test_the_rows_have_no_column_of_the_engine(spark: SparkSession, topics: Callable[..., None]) -> None:
    topics(orders=ORDERED, payments=PAID)
    rows = decided_rows(spark, PIPELINE, CONFIG, span_of(None), ms(90))
    assert not [name for name in rows.columns if name.startswith("_aside")]


def test_the_range_has_the_watermark_of_all_its_records(spark: SparkSession, topics: Callable[..., None]) -> None:
    topics(orders=[*ORDERED, closing(), b""], payments=PAID)
    found = contents_of(spark, PIPELINE, CONFIG, span_of(None))
    assert found.records == {
        "orders": {"events": 5, "control": 1, "rejected": 2},
        "payments": {"events": 4, "control": 0, "rejected": 0},
    }
    # The payments are behind, because a control record moved the orders.
    assert found.watermark_ms == ms(95) - LATENESS_SECONDS * 1000


def test_the_watermark_of_the_job_limits_that_of_the_range(spark: SparkSession, topics: Callable[..., None]) -> None:
    """The job may still accept events that are older than the newest records that it has committed."""
    topics(orders=[*ORDERED, closing()], payments=PAID)
    assert contents_of(spark, PIPELINE, CONFIG, span_of(None, watermark_ms=ms(50))).watermark_ms == ms(50)
    reached = ms(95) - LATENESS_SECONDS * 1000
    assert contents_of(spark, PIPELINE, CONFIG, span_of(None, watermark_ms=ms(300))).watermark_ms == reached
    # What the job has not decided has no document.
    rows = decided_rows(spark, PIPELINE, CONFIG, span_of(None), ms(50))
    assert "order|last" not in ids(rows)[UNMATCHED.name]


@pytest.mark.parametrize("records", [{"orders": ORDERED, "payments": []}, {"orders": [], "payments": [b"{"]}])
def test_a_stream_without_events_holds_the_watermark_back(
    spark: SparkSession, topics: Callable[..., None], records: dict[str, list[Any]]
) -> None:
    topics(**records)
    assert contents_of(spark, PIPELINE, CONFIG, span_of(None)).watermark_ms == 0


def test_a_transform_that_hides_what_is_decided_is_refused(spark: SparkSession, topics: Callable[..., None]) -> None:
    topics(orders=ORDERED, payments=PAID)

    def narrow(*events: DataFrame, **parameters: Any) -> DataFrame:
        return PIPELINE.transform(*events, **parameters).drop(DECIDED)

    with pytest.raises(CannotGoOnError, match="join with interval_join, and keep all of its columns"):
        decided_rows(spark, replace(PIPELINE, transform=narrow), CONFIG, span_of(None), ms(90))


def test_a_pipeline_without_unmatched_documents_gets_its_events_unchanged(
    spark: SparkSession, topics: Callable[..., None]
) -> None:
    topics(orders=ORDERED, payments=PAID)
    seen: list[str] = []

    def first(orders: DataFrame) -> DataFrame:
        seen.extend(orders.columns)
        return orders

    plain = Pipeline("p", (ORDERS,), first, (PIPELINE.outputs[0],), "dead")
    decided_rows(spark, plain, job_config("p"), span_of(0), ms(90))
    assert seen == list(ORDERS.fields)


def test_the_end_of_a_range_must_not_cut_windows(spark: SparkSession) -> None:
    """Sales behind the end may belong to its last windows, whose documents may count them already."""
    with pytest.raises(CannotGoOnError, match="replay without --until, or into other collections"):
        replaying.replay(spark, SUMS, job_config("segment_revenue"), span_of(None, cut=True))


class Stored:
    """Collections in memory, which the batch reads and writes."""

    def __init__(self, spark: SparkSession, monkeypatch: pytest.MonkeyPatch, schemas: dict[str, Any]) -> None:
        self._spark, self._schemas = spark, schemas
        self.rows: dict[str, dict[str, tuple[Any, ...]]] = {name: {} for name in schemas}
        self.written: list[str] = []
        monkeypatch.setattr(stored_documents, "read_collection", self._read)
        monkeypatch.setattr(stored_documents, "write_documents", self._write)
        monkeypatch.setattr(stored_documents.Superseded, "__init__", lambda *_: None)
        monkeypatch.setattr(stored_documents.Superseded, "delete", lambda _, name, found: self._delete(name, found))
        monkeypatch.setattr(stored_documents.Superseded, "note", self._note)
        self.noted: list[str] = []

    def _read(self, _spark: object, _config: object, name: str, schema: Any) -> DataFrame:
        rows = self._spark.createDataFrame([*self.rows[name].values()], self._schemas[name])
        return rows.select("_id") if isinstance(schema, str) else rows

    def _write(self, documents: DataFrame, name: str, *_: object, **__: object) -> None:
        for row in documents.collect():
            self.rows[name][row["_id"]] = tuple(row)
            self.written.append(row["_id"])

    def _delete(self, name: str, found: list[str]) -> int:
        return len([self.rows[name].pop(each) for each in found if each in self.rows[name]])

    def _note(self, _name: str, noted: DataFrame, _watermark: datetime) -> None:
        self.noted += [row["_id"] for row in noted.collect()]


def test_a_stored_fact_is_stronger_than_an_unmatched_document(
    spark: SparkSession, topics: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The partner came after the range, or reconcile has inserted the fact."""
    topics(orders=ORDERED, payments=PAID)
    documents = documents_of(PIPELINE, decided_rows(spark, PIPELINE, CONFIG, span_of(-30), ms(90)))
    stored = Stored(spark, monkeypatch, {name: each.schema for name, each in documents.items()})
    later = {
        "order_id": "first",
        "order_date": T0,
        "created_at": T0,
        "customer_id": "c",
        "order_amount": 7,
        "payment_id": "z",
        "payment_date": T0,
        "payment_amount": 7,
    }
    stored.rows[FACTS.name]["first|z"] = ("first|z", *later.values())
    stored.rows[UNMATCHED.name]["order|last"] = ("order|last", "order", *[None] * 7)
    batch = StoredDocuments(spark, PIPELINE, CONFIG, documents, None)
    ((output, by),) = batch.provisional
    assert batch.write_provisional(output, by) == (1, 1)
    assert set(stored.written) == {"order|last", "payment|alone"}
    # One that was written by mistake is removed.
    stored.rows[UNMATCHED.name]["order|first"] = ("order|first", "order", *[None] * 7)
    assert batch.remove_overtaken_by_stored(output, by) == 1
    assert set(stored.rows[UNMATCHED.name]) == {"order|last", "payment|alone"}


@pytest.mark.parametrize("beside_a_job", [True, False])
def test_missing_facts_are_inserted_and_known_ones_replaced(
    spark: SparkSession, topics: Callable[..., None], monkeypatch: pytest.MonkeyPatch, beside_a_job: bool
) -> None:
    topics(orders=ORDERED, payments=PAID)
    documents = documents_of(PIPELINE, decided_rows(spark, PIPELINE, CONFIG, span_of(-30), ms(90)))
    stored = Stored(spark, monkeypatch, {name: each.schema for name, each in documents.items()})
    stored.rows[FACTS.name]["a|p"] = ("a|p", *[None] * 8)
    watermark = datetime(2026, 1, 1, tzinfo=UTC) if beside_a_job else None
    batch = StoredDocuments(spark, PIPELINE, CONFIG, documents, watermark)
    assert batch.replace_known(FACTS.name) == 1
    assert batch.insert_missing(FACTS.name) == (2, 1)
    assert stored.written == ["a|p", "before|q"]
    # The job may still hold the events of a fact that it has not written.
    assert sorted(stored.noted) == (["order|before", "payment|q"] if beside_a_job else [])
    # A repetition finds all of them.
    assert (batch.replace_known(FACTS.name), batch.insert_missing(FACTS.name)) == (2, (2, 0))
    assert sorted(stored.rows[FACTS.name]) == ["a|p", "before|q"]
