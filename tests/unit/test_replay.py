"""Which records a replay reads, which suffixes it takes, and what it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tandem.cli.app import app
from tandem.engine.declare.collection_set import beside, name_beside
from tandem.engine.declare.replay_range import NEVER_MS, ReplayRange, record_id
from tandem.engine.declare.stream import REPLAY_COLLECTION
from tandem.errors import TandemError, UsageError
from tandem.job_files import REPLAY, replay_arguments
from tandem.pipeline import Collection, Output, Pipeline, SupersededBy
from tandem.pipelines.orders_payments.streams import FACTS, ORDERS, UNMATCHED
from tandem.platforms.changes import ChangesSoFar
from tandem.platforms.dataproc import batch_runs
from tandem.platforms.dataproc.deploy import Deployment
from tandem.platforms.dataproc.release import Release, release
from tandem.platforms.dataproc.requests import submit_request
from tandem.platforms.dataproc.run import Run
from tandem.replay import topic_offsets
from tandem.replay.repeated import continued
from tandem.replay.resolve import (
    Margin,
    PartitionOffsets,
    margin_of,
    milliseconds,
    range_of,
)
from tandem.replay.sets import Replayed, check_free, check_replayed, check_suffix
from tandem.replay.topic_offsets import offsets_in
from tandem.scaffold import write
from tandem.settings.load import load
from tandem.verify.topics import TopicRecord

SINCE = datetime(2026, 11, 29, 10, tzinfo=UTC)
SINCE_MS = milliseconds(SINCE)
MARGIN = Margin(1800.0, 1800.0, 300)
LOCATION = load("embedded").location


def partition(number: int = 0, **offsets: Any) -> PartitionOffsets:
    """Returns a partition with ten records, of which 4 to 9 are in the range and 2 and 3 in the margin."""
    known = {"begin": 0, "end": 10, "read": 2, "since": 4, "until": 10, "oldest_ms": SINCE_MS - 10_000_000}
    return PartitionOffsets("t", number, **{**known, **offsets})


def span_of(*partitions: PartitionOffsets, into: str = "") -> ReplayRange:
    return range_of(partitions, since=SINCE, margin=MARGIN, into=into, watermark_ms=None)


def test_the_records_before_the_range_are_read_too() -> None:
    span = span_of(partition(), partition(1, read=0))
    assert span.offsets == {"t": {"0": (2, 10), "1": (0, 10)}}
    assert (span.since_ms, span.cut, span.into) == (SINCE_MS, False, "")
    # Events from here on cannot have arrived before the first record that is read.
    assert span.complete_ms == SINCE_MS - 1_800_000


def test_a_range_with_all_records_is_complete() -> None:
    assert span_of(partition(read=0)).complete_ms is None


def test_times_that_producers_set_say_nothing_about_removed_records() -> None:
    removed = partition(begin=1, by_broker=False)
    span = span_of(partition(1), removed)
    assert span.complete_ms == span.decided_ms - 1_800_000 == NEVER_MS  # type: ignore[operator]
    # Nothing was removed: no record before the margin has an event of the range, because its own time is older.
    assert span_of(partition(1), partition(by_broker=False)).complete_ms == SINCE_MS - 1_800_000


def test_the_end_of_the_range_is_the_first_record_behind_it() -> None:
    span = span_of(partition(until=6), partition(1, end=5))
    assert span.offsets == {"t": {"0": (2, 6), "1": (2, 5)}}
    assert span.cut


def test_a_range_without_records_is_refused() -> None:
    with pytest.raises(UsageError, match="no records in this range, which begins at 2026-11-29T10:00:00"):
        span_of(partition(since=10), partition(1, since=7, until=7))
    # The margin alone is not the range, but one record in it is enough.
    assert span_of(partition(since=10), partition(1, since=9))


def test_a_range_that_kafka_has_removed_is_refused() -> None:
    gone = partition(begin=7, read=7, since=7, oldest_ms=SINCE_MS + 60_000)
    with pytest.raises(UsageError) as refused:
        span_of(partition(), gone)
    assert "reads from 2026-11-29T09:25:00.000Z, 2100 s before --since" in str(refused.value)
    assert "the oldest records in t are of 2026-11-29T10:01:00.000Z" in str(refused.value)
    later = refused.value.hint.split()[2]
    assert datetime.fromisoformat(later) - timedelta(seconds=MARGIN.read_s) > SINCE + timedelta(minutes=1)


def test_records_that_kafka_removed_before_the_job_read_them_are_refused() -> None:
    with pytest.raises(UsageError, match="those of t behind the job's last commit") as refused:
        span_of(partition(1), partition(begin=1000, end=500, read=500, since=500, until=500))
    assert "tandem status" in refused.value.hint


def test_an_emptied_partition_is_refused() -> None:
    """Nothing says how old its removed records were."""
    empty = partition(begin=10, read=10, since=10, oldest_ms=None)
    with pytest.raises(UsageError, match="the oldest records in t are unknown, because a partition") as refused:
        span_of(partition(1), empty)
    assert "2100 s after the next record in each partition" in refused.value.hint
    # The job has committed all records up to the first one that is left.
    assert span_of(partition(1), partition(begin=10, read=10, since=10, oldest_ms=SINCE_MS - 10_000_000))
    with pytest.raises(UsageError, match="Kafka has removed records that the replay needs"):
        span_of(partition(1), partition(begin=10, read=10, since=10, oldest_ms=SINCE_MS))


@pytest.mark.parametrize(
    "kept",
    [
        # Older records are still there, so none of the range was removed.
        {"begin": 1, "read": 2},
        # All records that are left are older than the range.
        {"begin": 1, "read": 10, "since": 10},
        # Nothing was ever removed.
        {"begin": 0, "read": 0},
        # Nothing was ever there.
        {"begin": 0, "end": 0, "read": 0, "since": 0, "until": 0, "oldest_ms": None},
    ],
)
def test_a_range_that_kafka_still_has_is_not_refused(kept: dict[str, Any]) -> None:
    assert span_of(partition(1), partition(**kept))


def test_the_margin_is_the_longest_duration_and_the_skew() -> None:
    parameters = {
        "match_window_seconds": 1800,
        "grace_seconds": 2.5,
        "most": 9_000,
        "is_seconds": True,
        "x_seconds": "",
    }
    assert margin_of(parameters, 300) == Margin(1802.5, 1802.5, 300)
    assert margin_of(parameters, 300).read_s == 2102.5
    assert margin_of({}, 300).read_s == 300
    # The skew is no part of a given one, and a short one makes the transform's window no shorter.
    assert margin_of(parameters, 300, 3600) == Margin(3600, 3600, 300)
    assert margin_of(parameters, 300, 0) == Margin(0, 1802.5, 300)


def test_an_event_is_decided_if_its_partners_were_read() -> None:
    # With the margin, all events of the range are; with a shorter one, later ones.
    assert span_of(partition()).decided_ms == SINCE_MS
    short, long = (
        range_of([partition()], since=SINCE, margin=Margin(seconds, within, 300), into="", watermark_ms=None)
        for seconds, within in ((0, 1800), (3600, 3600))
    )
    assert short.decided_ms == SINCE_MS + 1800 * 1000
    assert (long.decided_ms, long.complete_ms) == (SINCE_MS, SINCE_MS - 3600 * 1000)
    assert span_of(partition(read=0)).decided_ms is None


def test_a_later_replay_into_a_set_reads_the_earlier_ones_records() -> None:
    partitions = [partition(), partition(1)]
    earlier = Replayed(span_of(partition(), partition(1, until=6), into="v2"), 7, "done", "")
    longer = span_of(partition(read=1), partition(1), into="v2")
    assert continued(earlier, longer, partitions) == longer
    for less in (partition(read=3), partition(until=9)):
        with pytest.raises(UsageError, match="the suffix v2 hold a replay of records that this range does not have"):
            continued(earlier, span_of(less, partition(1), into="v2"), partitions)


def test_a_repeated_replay_goes_on_with_the_records_of_the_interrupted_one() -> None:
    """A duration names a later time in every command."""
    partitions = [partition(), partition(1)]
    interrupted = span_of(*partitions, into="v2")
    minute_later = span_of(partition(read=3, end=12, until=12), partition(1), into="v2")
    for state in ("running", "failed"):
        known = Replayed(interrupted, 7, state, "")
        assert continued(known, minute_later, partitions) == interrupted
        longer = span_of(partition(read=1, until=9), partition(1), into="v2")
        assert continued(known, span_of(partition(read=1), partition(1), into="v2"), partitions) != interrupted
        assert continued(known, longer, partitions) == interrupted
        with pytest.raises(UsageError, match="has removed records of the interrupted replay"):
            continued(known, minute_later, [partition(begin=3), partition(1)])
    with pytest.raises(UsageError, match="this range does not have"):
        continued(Replayed(interrupted, 7, "done", ""), minute_later, partitions)


def test_a_range_is_the_same_after_its_text() -> None:
    span = span_of(partition(), into="v2")
    assert ReplayRange.parse(span.to_json()) == span
    assert (span.starts("t"), span.ends("t")) == ({"0": 2}, {"0": 10})
    assert "\n" not in span.to_json()


@pytest.mark.parametrize("suffix", ["", "v 2", "v$2", "v.2", "_v2", "-v", "ü", "v" * 33, "v2\n", "../v"])
def test_a_suffix_with_forbidden_characters_is_refused(suffix: str) -> None:
    with pytest.raises(UsageError, match="cannot be a suffix of collections"):
        check_suffix(LOCATION, "d", suffix)
    check_suffix(LOCATION, "d", "v2-next_1")


def test_a_suffix_that_makes_too_long_a_name_is_refused() -> None:
    with pytest.raises(UsageError, match="too long for MongoDB"):
        check_suffix(LOCATION, "d" * 230, "v2")


def test_a_suffix_that_names_a_collection_of_the_pipeline_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Declared:
        collections = (Collection("facts"), Collection("facts_v2"))
        lookups = ()

    monkeypatch.setattr("tandem.replay.sets.declared_by", lambda _: Declared)
    with pytest.raises(UsageError, match="facts_v2 is one of the pipeline's own collections"):
        check_suffix(LOCATION, "d", "v2")
    check_suffix(LOCATION, "d", "v3")


class Found(dict[str, list[dict[str, Any]]]):
    """A database in memory."""

    def __missing__(self, name: str) -> Any:
        return Rows([])


class Rows(list[dict[str, Any]]):
    def estimated_document_count(self) -> int:
        return len(self)

    def find_one(self, query: dict[str, Any], _fields: object = None) -> dict[str, Any] | None:
        return next(self.find(query), None)

    def find(self, query: dict[str, Any]) -> Iterator[dict[str, Any]]:
        return (each for each in self if all(each.get(name) == value for name, value in query.items()))

    def update_one(self, query: dict[str, Any], change: dict[str, Any], *, upsert: bool) -> None:
        assert upsert
        if self.find_one(query) is None:
            self.append({**query, **change["$setOnInsert"]})


def record(state: str, pipeline: str = "orders_payments", into: str = "v2") -> dict[str, Any]:
    span = span_of(partition(), into=into)
    known = {"range": span.to_json(), "watermark_ms": 7, "state": state, "progress": None, "into": into}
    return {"_id": record_id(pipeline, into), "pipeline": pipeline, **known}


def test_collections_of_others_are_not_written(tmp_path: Path) -> None:
    taken: Any = Found({f"{FACTS.name}_v2": Rows([{"_id": "a"}])})
    with pytest.raises(UsageError, match=f"{FACTS.name}_v2 has documents, and no replay of orders_payments"):
        check_free(taken, LOCATION, "v2", tmp_path)
    check_free(taken, LOCATION, "v3", tmp_path)
    taken[REPLAY_COLLECTION] = Rows([record("running")])
    check_free(taken, LOCATION, "v2", tmp_path)


def test_empty_collections_of_another_pipeline_are_not_written(tmp_path: Path) -> None:
    own = tmp_path / "replay_others"
    streams = write("shop", own).file("streams")
    text = streams.read_text("utf-8")
    assert text.count('"shop_answered"') == 1
    streams.write_text(text.replace('"shop_answered"', f'"{FACTS.name}_v2"'), "utf-8")
    empty: Any = Found()
    # Also if the set is older than the pipeline.
    for known in ([], [record("done")]):
        empty[REPLAY_COLLECTION] = Rows(known)
        with pytest.raises(UsageError, match=f"{FACTS.name}_v2 is a collection of the pipeline shop"):
            check_free(empty, LOCATION, "v2", own)
    check_free(empty, LOCATION, "v3", own)
    # A set of the other pipeline has the name.
    empty[REPLAY_COLLECTION] = Rows([record("done", "shop", "next")])
    with pytest.raises(UsageError, match="_v2_next is a collection of the pipeline shop"):
        check_free(empty, LOCATION, "v2_next", own)


def test_only_the_collections_of_a_finished_replay_are_compared() -> None:
    found: Any = Found()
    with pytest.raises(UsageError, match="no replay of orders_payments has written collections with the suffix v2"):
        check_replayed(found, LOCATION, "v2")
    found[REPLAY_COLLECTION] = Rows([record("running")])
    with pytest.raises(UsageError, match="has not ended: it is running"):
        check_replayed(found, LOCATION, "v2")
    found[REPLAY_COLLECTION] = Rows([record("done")])
    assert check_replayed(found, LOCATION, "v2").watermark_ms == 7


def test_a_set_has_the_names_of_the_pipelines_collections_with_the_suffix() -> None:
    outputs = (Output(FACTS, lambda rows: rows), Output("raw", lambda rows: rows))
    by = SupersededBy(FACTS, lambda rows: rows)
    outputs += (Output(UNMATCHED, lambda rows: rows, superseded_by=by),)
    pipeline = Pipeline("p", (ORDERS,), lambda orders: orders, outputs, "dead")
    facts, raw, unmatched = beside(pipeline, "v2").outputs
    assert (facts.collection_name, raw.collection_name) == (f"{FACTS.name}_v2", "raw_v2")
    assert isinstance(facts.collection, Collection)
    assert facts.collection.fields == FACTS.fields
    assert unmatched.superseded_by is not None
    assert unmatched.superseded_by.collection_name == facts.collection_name
    assert beside(pipeline, "") == pipeline
    assert name_beside("a", "") == "a"


class Reader:
    """A topic with the records 5 to 9, one each second; what is committed may be less."""

    by_broker = True

    def __init__(self, *_: object) -> None:
        self.topic = "t"

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def beginnings(self) -> dict[int, int]:
        return {0: 5, 1: 0}

    def ends(self) -> dict[int, int]:
        return {0: 10, 1: 0}

    def read(self, starts: dict[int, int], ends: dict[int, int]) -> Iterator[TopicRecord]:
        assert (starts, ends) == ({0: 5, 1: 0}, {0: 6, 1: 0})
        yield TopicRecord(0, 5, SINCE_MS, None, None, [], by_broker=self.by_broker)

    def at(self, ms: int) -> dict[int, tuple[int, int]]:
        after = [(offset, SINCE_MS + offset * 1000) for offset in range(5, 10) if SINCE_MS + offset * 1000 >= ms]
        return {0: after[0]} if after else {}


def test_offsets_are_looked_up_by_the_records_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topic_offsets, "TopicReader", Reader)

    def offsets(committed: Any = None, until_s: float | None = None) -> PartitionOffsets:
        until = None if until_s is None else SINCE + timedelta(seconds=until_s)
        since = SINCE + timedelta(seconds=7)
        first, empty, *_ = offsets_in(load("embedded"), since=since, until=until, margin_s=1, committed=committed)
        assert (empty.begin, empty.end, empty.read, empty.oldest_ms) == (0, 0, 0, None)
        return first

    found = offsets()
    assert (found.begin, found.end, found.read, found.since, found.until) == (5, 10, 6, 7, 10)
    assert found.oldest_ms == SINCE_MS + 5000
    assert offsets(until_s=8.5).until == 9
    # What the job has not committed is not replayed into its own collections.
    less = offsets({ORDERS.topic: {"0": 6}})
    assert (less.end, less.read, less.since, less.until) == (6, 6, 6, 6)
    assert offsets({}).end == 5
    assert found.by_broker
    monkeypatch.setattr(Reader, "by_broker", False)
    assert not offsets().by_broker


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--since", "yesterday"), "--since 'yesterday' is not a duration or a time"),
        (("--since", "2h", "--until", "soon"), "--until 'soon' is not a duration or a time"),
        (("--since", "1h", "--until", "2h"), "--since must be before --until"),
        (("--since", "2026-11-29", "--until", "2026-11-29"), "--since must be before --until"),
        (("--since", "2h", "--into", "v.2"), "'v.2' cannot be a suffix"),
        (("--since", "2h", "--into", ""), "'' cannot be a suffix"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_asked(options: tuple[str, ...], words: str) -> None:
    error = CliRunner().invoke(app, ("--profile", "embedded", "replay", *options)).exception
    assert isinstance(error, UsageError)
    assert words in str(error)


def test_the_suffix_of_diff_is_checked_too() -> None:
    error = CliRunner().invoke(app, ("--profile", "embedded", "diff", "--with", "$")).exception
    assert isinstance(error, UsageError)


def test_the_cloud_submits_the_range_as_an_argument(monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = {"gcp": {"project": "p", "region": "r", "bucket": "b", "service_account": "a@b"}}
    settings = load("embedded").model_copy(update={"gcp": load("embedded").gcp.model_copy(update=cloud["gcp"])})
    made = release(settings, REPLAY)
    spans = [span_of(partition(), into=into) for into in ("v2", "v3")]
    arguments = [(*made.arguments, *replay_arguments(span)) for span in spans]
    requests = [submit_request(settings, type(made)(**{**vars(made), "arguments": each}), None) for each in arguments]
    for span, request in zip(spans, requests, strict=True):
        args = list(request.job.pyspark_job.args)
        assert ReplayRange.parse(args[args.index("--replay") + 1]) == span
        assert args[-2:] == ["--report", request.job.reference.job_id]
    # Two replays of different ranges are two jobs, and one that is sent twice is one.
    assert len({request.request_id for request in requests}) == 2
    assert len({request.job.reference.job_id for request in requests}) == 2


class Runs:
    """Dataproc's runs of a pipeline: the newest replay, and what is submitted."""

    def __init__(self, newest: Run | None) -> None:
        self._newest, self.submitted = newest, list[tuple[str, ...]]()

    def newest(self, entry: str) -> Run | None:
        assert entry == REPLAY
        return self._newest

    def submit(self, made: Release, predecessor: str | None) -> Run:
        assert predecessor == (self._newest and self._newest.id)
        self.submitted.append(made.arguments)
        return run_of("starting")

    def await_end(self, run: Run, _seconds: float) -> Run:
        assert run.state == "starting"
        return run_of("stopped")

    def way_to_end(self, run: Run) -> str:
        return f"ends {run.id}"


def run_of(state: str) -> Run:
    return Run("earlier", state, None, "", "replay", "", "", "", "", "")


def test_a_replay_does_not_join_another_one_in_the_cloud(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reconciliations are all alike, and two commands share one. A replay has a range of its own."""
    monkeypatch.setattr(Deployment, "__init__", lambda *_: None)
    monkeypatch.setattr(Deployment, "upload", lambda *_: None)
    settings = load("embedded")
    deployment: Any = Deployment(settings)
    deployment.other_jobs = Runs(None)
    span = span_of(partition(), into="v2")
    deployment.jobs = Runs(run_of("running"))
    with pytest.raises(TandemError, match="the replay earlier is running"):
        batch_runs.replay(deployment, settings, ChangesSoFar(), span)
    assert not deployment.jobs.submitted
    for before in (None, run_of("failed")):
        deployment.jobs = Runs(before)
        _, run = batch_runs.replay(deployment, settings, ChangesSoFar(), span)
        assert run.state == "stopped"
        ((*_, option, text),) = deployment.jobs.submitted
        assert (option, ReplayRange.parse(text)) == ("--replay", span)
