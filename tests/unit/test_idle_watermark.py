"""Which control records quiet topics get, and when it is known that they are quiet."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from py4j.protocol import Py4JJavaError

from tandem.engine.declare.control_record import CONTROL_KEY, control_value
from tandem.engine.declare.job_config import JobConfig, KafkaConfig, MongoConfig
from tandem.engine.declare.stream import JOB_COLLECTION
from tandem.engine.read.kafka_source import CONTROL, EVENTS, NEWEST
from tandem.engine.run import idle_watermark
from tandem.engine.run import job_progress as progress
from tandem.engine.run.attention import LATE_AT, REFUSED, warnings
from tandem.engine.run.idle_watermark import Clock, ControlRecordSender, due
from tandem.engine.run.job_progress import ProgressReporter
from tandem.engine.run.state_events import StateEvents
from tandem.engine.spark.checkpoint import Planned
from tandem.engine.write.batch_steps import BatchSteps
from tandem.pipelines.orders_payments.streams import ORDERS, PAYMENTS
from tandem.pipelines.orders_payments.transform import PIPELINE

NOW = 1_000_000.0
LATENESS, TOLERANCE = 300, 1800


def test_nothing_while_all_are_active() -> None:
    assert due({"a": Clock(NOW - 1, 5.0), "b": Clock(NOW - 2, 6.0)}, NOW, 30, TOLERANCE) == {}


def test_a_quiet_stream_follows_the_active_ones_event_time() -> None:
    clocks = {"a": Clock(NOW - 1, newest=5000.0), "b": Clock(NOW - 31, newest=100.0)}
    assert due(clocks, NOW, 30, TOLERANCE) == {"b": 5000.0}


def test_a_stream_that_was_never_used_follows_too() -> None:
    assert due({"a": Clock(NOW, newest=5000.0), "b": Clock(NOW - 30)}, NOW, 30, TOLERANCE) == {"b": 5000.0}


def test_the_slowest_active_stream_is_followed() -> None:
    clocks = {"a": Clock(NOW, newest=5000.0), "b": Clock(NOW, newest=70.0), "c": Clock(NOW - 30)}
    assert due(clocks, NOW, 30, TOLERANCE) == {"c": 70.0}


@pytest.mark.parametrize("tolerance", [0, TOLERANCE])
def test_when_all_are_quiet_it_is_now_but_for_the_tolerance(tolerance: int) -> None:
    clocks = {"a": Clock(NOW - 30, 5.0), "b": Clock(NOW - 99)}
    assert due(clocks, NOW, 30, tolerance) == {"a": NOW - tolerance, "b": NOW - tolerance}


@pytest.mark.parametrize("minutes", [7, 30])
@pytest.mark.parametrize("tolerance", [0, TOLERANCE])
def test_no_backlog_of_an_outage_within_the_tolerance_is_late(minutes: int, tolerance: int) -> None:
    """Dated now, as with no tolerance, all that happened during the outage but the last minutes is late."""
    began = NOW - minutes * 60
    clocks = {"a": Clock(began, began - 1), "b": Clock(began - 2, began - 3)}
    sent = due(clocks, NOW, 30, tolerance)
    watermark = min(max(clock.newest or 0.0, sent.get(name, 0.0)) for name, clock in clocks.items()) - LATENESS
    # Delivered two minutes later, one event for each second of the outage.
    late = [time for second in range(minutes * 60) if (time := began + second) <= watermark]
    assert len(late) == (0 if tolerance else (minutes - 5) * 60 + 1)


def test_what_is_old_is_closed_at_once_when_all_are_quiet() -> None:
    replayed = NOW - 86_400
    clocks = {"a": Clock(NOW - 30, replayed), "b": Clock(NOW - 31, replayed + 5)}
    assert due(clocks, NOW, 30, TOLERANCE) == {"a": NOW - TOLERANCE, "b": NOW - TOLERANCE}


def test_what_was_active_until_all_were_quiet_is_still_followed() -> None:
    """Events that come more seldom than the timeout must not leave an unused topic behind for half an hour."""
    clocks = {"a": Clock(NOW - 40, NOW - 41), "b": Clock(NOW - 500)}
    assert due(clocks, NOW, 30, TOLERANCE) == {"b": NOW - 41}


def test_when_events_resume_the_other_backlogs_are_waited_for() -> None:
    clocks = {"a": Clock(NOW, NOW), "b": Clock(NOW - 500, NOW - 500)}
    assert due(clocks, NOW, 30, TOLERANCE, resumed_at=NOW - 29) == {}
    assert due(clocks, NOW, 30, TOLERANCE, resumed_at=NOW - 30) == {"b": NOW}


def test_no_control_record_is_sent_that_moves_nothing_or_too_soon_after_another() -> None:
    recent = {"a": Clock(NOW - 99, NOW - 100), "b": Clock(NOW - 99, NOW - TOLERANCE)}
    assert due(recent, NOW, 30, TOLERANCE) == {}
    # A second later there would be one for each second.
    assert due({"a": Clock(NOW - 99, 5.0, NOW - TOLERANCE - 1, tried_at=NOW - 29)}, NOW, 30, TOLERANCE) == {}
    sent = {"a": Clock(NOW - 99, 5.0, NOW - TOLERANCE - 1, tried_at=NOW - 30)}
    assert due(sent, NOW, 30, TOLERANCE) == {"a": NOW - TOLERANCE}


def test_an_active_stream_of_unknown_time_is_waited_for() -> None:
    assert due({"a": Clock(NOW), "b": Clock(NOW - 30)}, NOW, 30, TOLERANCE) == {}


@pytest.mark.parametrize(("behind", "times"), [(True, {"a": NOW - 100}), (False, {})])
def test_after_a_restart_a_quiet_stream_gets_its_newest_time_again(behind: bool, times: dict[str, float]) -> None:
    """Spark has forgotten it: here only b's events were read again."""
    clocks = {"a": Clock(NOW - 31, NOW - 100, counted=False), "b": Clock(NOW - 29, NOW - 200)}
    assert due(clocks, NOW, 30, TOLERANCE, behind=behind) == times
    sent = {**clocks, "a": Clock(NOW - 31, NOW - 100, sent=NOW - 100, counted=False)}
    assert due(sent, NOW, 30, TOLERANCE, behind=behind) == {}


def test_after_a_restart_an_active_stream_is_waited_for() -> None:
    clocks = {"a": Clock(NOW - 29, NOW - 100, counted=False), "b": Clock(NOW, NOW - 200)}
    assert due(clocks, NOW, 30, TOLERANCE, behind=True) == {}


def test_time_never_goes_back_and_never_ahead_of_now() -> None:
    clocks = {"a": Clock(NOW, newest=NOW + 200), "b": Clock(NOW - 30, newest=NOW + 100), "c": Clock(NOW - 30, 1.0, NOW)}
    assert due(clocks, NOW, 30, TOLERANCE) == {}


STARTED = 2_000_000_000.0
CONFIG = JobConfig(
    "orders_payments",
    KafkaConfig(""),
    MongoConfig("", "mart"),
    "",
    LATENESS,
    300,
    idle_timeout_seconds=30,
    outage_tolerance_seconds=TOLERANCE,
)


def at(second: float) -> str:
    return datetime.fromtimestamp(STARTED + second, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class JavaMap(dict[Any, Any]):
    def put(self, key: Any, value: Any) -> None:
        self[key] = value


class Kafka:
    """What the sender uses of Java, with topics that refuse records, and others that have an open transaction."""

    def __init__(self) -> None:
        self.refusing: set[str] = set()
        self.open: set[str] = set()
        self.sent: list[str] = []
        self.values: list[bytes] = []
        self._end = 1000
        producer = SimpleNamespace(KafkaProducer=lambda _: self, ProducerRecord=lambda *record: record)
        admin = SimpleNamespace(
            AdminClient=SimpleNamespace(create=lambda _: self),
            ListOffsetsOptions=lambda level: level,
            OffsetSpec=SimpleNamespace(latest=lambda: "latest"),
        )
        common = SimpleNamespace(
            TopicPartition=lambda *place: place,
            IsolationLevel=SimpleNamespace(READ_COMMITTED="committed", READ_UNCOMMITTED="uncommitted"),
        )
        kafka = SimpleNamespace(clients=SimpleNamespace(producer=producer, admin=admin), common=common)
        util = SimpleNamespace(Properties=lambda: SimpleNamespace(setProperty=lambda *_: None), HashMap=JavaMap)
        self.jvm = SimpleNamespace(
            org=SimpleNamespace(apache=SimpleNamespace(kafka=kafka)), java=SimpleNamespace(util=util)
        )

    def listOffsets(self, wanted: JavaMap, level: str) -> Any:
        # Other programs append a record between any two requests.
        self._end += 1
        assert set(wanted.values()) == {"latest"}
        held = {place for place in wanted if level == "committed" and place[0] in self.open}
        ends = {place: SimpleNamespace(offset=lambda end=self._end - 100 * (place in held): end) for place in wanted}
        return SimpleNamespace(all=lambda: SimpleNamespace(get=lambda: ends))

    def partitionsFor(self, _topic: str) -> list[Any]:
        return [SimpleNamespace(partition=lambda: 0)]

    def send(self, record: tuple[str, int, bytes, bytes]) -> Any:
        topic, _, key, value = record
        assert key == CONTROL_KEY
        self.values.append(value)
        return SimpleNamespace(get=lambda: self._get(topic))

    def close(self) -> None:
        pass

    def _get(self, topic: str) -> None:
        if topic in self.refusing:
            raise Refusal(topic)
        self.sent.append(topic)


class Refusal(Py4JJavaError):
    """What py4j raises when the broker does not let a user write."""

    def __init__(self, topic: str) -> None:
        self.java_exception = (
            "java.util.concurrent.ExecutionException: org.apache.kafka.common.errors.TopicAuthorizationException: "
            f"Not authorized to access topics: [{topic}]"
        )


class Beat:
    """A sender that is asked rather than running, at seconds after it was made."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        *,
        waits: bool = False,
        newest_ms: dict[str, int] | None = None,
        watermark_ms: int = 0,
    ) -> None:
        self._patch = monkeypatch
        self._now(0)
        self.refused: list[list[str]] = []
        self.kafka = Kafka()
        self.waiting = StateEvents(1800, 1800, LATENESS)
        if waits:
            self.waiting.add(1, 0, 0)
        self.control_sender = ControlRecordSender(
            cast(Any, SimpleNamespace(_jvm=self.kafka.jvm)),
            PIPELINE,
            CONFIG,
            waiting=self.waiting,
            newest_ms=newest_ms or {},
            watermark_ms=watermark_ms,
            on_refused=self.refused.append,
        )

    def commits(
        self, second: float, *, begun: float, watermark: float = 0, newest: float | None = None, **events: int
    ) -> None:
        """A batch that began at ``begun`` is committed, with so many events of the streams."""
        self._now(second)
        newest_ms = int((second if newest is None else newest) * 1000)
        batch = SimpleNamespace(
            eventTime={"watermark": at(watermark)},
            timestamp=at(begun),
            observedMetrics={n: {EVENTS: e, CONTROL: 0, NEWEST: newest_ms} for n, e in events.items()},
        )
        self.waiting.add(1, 0, 0)
        self.control_sender.batch(cast(Any, batch))

    def finds_nothing(self, second: float, *, began: float | None = None) -> None:
        self._now(second)
        self.control_sender.idle(cast(Any, SimpleNamespace(timestamp=at(second if began is None else began))))

    def due(self, second: float) -> set[str]:
        self._now(second)
        return set(self.control_sender.due())

    def _now(self, second: float) -> None:
        self._patch.setattr(time, "time", lambda: STARTED + second)


def test_a_long_batch_makes_no_topic_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    beat = Beat(monkeypatch)
    beat.commits(5, begun=1, orders=1, payments=1)
    # What came after the next batch had begun is in the topics, and nobody has read it.
    assert [beat.due(second) for second in (10, 60, 100)] == [set(), set(), set()]
    beat.commits(101, begun=6, orders=1)
    # Nor is it read before the query looks again.
    assert beat.due(120) == set()
    beat.finds_nothing(121)
    assert beat.due(121) == {"payments"}


def test_a_topic_is_quiet_also_while_batches_of_another_follow_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    beat = Beat(monkeypatch)
    beat.commits(2, begun=1, orders=1, payments=1)
    for second in range(4, 40, 2):
        beat.commits(second, begun=second - 1, orders=1)
        assert beat.due(second) == ({"payments"} if second >= 34 else set())


def test_a_batch_that_is_being_reported_closes_no_topic(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first batch of an old history: its events are in state, and the sender does not know the batch yet."""
    beat = Beat(monkeypatch)
    beat.finds_nothing(60)
    beat.waiting.add(5, -1_000_000_000, 0)
    assert beat.due(61) == set()
    beat.commits(62, begun=60, orders=5, payments=5)
    assert beat.due(62) == set()
    # The control: from then on, the events count.
    beat.finds_nothing(93)
    assert beat.due(93) == {"orders", "payments"}


@pytest.mark.parametrize("waits", [True, False])
def test_what_waited_when_the_job_was_stopped_does_not_wait_for_ever(
    monkeypatch: pytest.MonkeyPatch, waits: bool
) -> None:
    beat = Beat(monkeypatch, waits=waits)
    # A query without anything to read begins with no batch.
    for second in (1, 29, 31):
        beat.finds_nothing(second)
        assert beat.due(second) == ({"orders", "payments"} if waits and second > 30 else set())


def test_a_backlog_that_comes_topic_by_topic_is_not_closed_by_its_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    beat = Beat(monkeypatch)
    beat.commits(2, begun=1, orders=1, payments=1)
    beat.finds_nothing(420)
    beat.commits(421, begun=420, orders=5)
    # The payments of these seven minutes are on their way.
    beat.finds_nothing(422)
    assert beat.due(422) == set()
    beat.commits(440, begun=439, payments=5)
    beat.commits(452, begun=451, orders=5)
    assert beat.due(452) == set()


def test_a_restart_during_an_outage_leaves_the_other_backlogs_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the outage began is unknown, so the first events after the start may be the first ones after it."""
    beat = Beat(monkeypatch, waits=True)
    for second in range(10, 45):
        beat.commits(second, begun=second, orders=1)
        assert beat.due(second) == ({"payments"} if second >= 40 else set())


@pytest.mark.parametrize("began", [1001, 102])
def test_a_clock_that_is_set_back_delays_no_control_record(monkeypatch: pytest.MonkeyPatch, began: float) -> None:
    """It is set back while a batch runs, or before a batch begins; and then again."""
    beat = Beat(monkeypatch)
    for second in (1, 1000):
        beat.commits(second, begun=second, orders=1, payments=1)
    beat.commits(103, begun=began, orders=1)
    for second in range(103, 134):
        beat.commits(second, begun=second, newest=1000 + second, orders=1)
        assert beat.due(second) == ({"payments"} if second == 133 else set())
    beat.control_sender.send(beat.control_sender.due())
    for second in range(50, 81):
        beat.commits(second, begun=second, newest=2000 + second, orders=1)
        assert beat.due(second) == ({"payments"} if second == 80 else set())


def test_a_clock_that_is_set_back_makes_no_topic_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    beat = Beat(monkeypatch)
    beat.commits(1000, begun=1000, orders=1, payments=1)
    # Spark tells of what it did before.
    beat.finds_nothing(100, began=1001)
    assert beat.due(100) == set()
    beat.finds_nothing(129)
    assert beat.due(129) == set()
    beat.finds_nothing(130)
    assert beat.due(130) == {"orders", "payments"}


def test_a_driver_knows_the_newest_events_of_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it would send control records that move nothing, for half an hour."""
    newest = {name: int((STARTED - 60) * 1000) for name in ("orders", "payments")}
    beat = Beat(monkeypatch, waits=True, newest_ms=newest, watermark_ms=int((STARTED - 60 - LATENESS) * 1000))
    beat.finds_nothing(100)
    assert beat.due(100) == set()
    beat.finds_nothing(TOLERANCE)
    assert beat.due(TOLERANCE) == {"orders", "payments"}


@pytest.mark.parametrize(("event_time", "forgotten"), [(-60, {"payments"}), (-700, {"orders", "payments"})])
def test_what_a_restart_makes_spark_forget_is_sent_again(
    monkeypatch: pytest.MonkeyPatch, event_time: float, forgotten: set[str]
) -> None:
    """An order that is older than the newest one is all that Spark knows of the orders then."""
    newest = {name: int((STARTED - 60) * 1000) for name in ("orders", "payments")}
    before = STARTED - 90 - LATENESS
    beat = Beat(monkeypatch, waits=True, newest_ms=newest, watermark_ms=int(before * 1000))
    # The batch that was not committed has orders only.
    beat.commits(1, begun=1, watermark=before - STARTED, newest=STARTED + event_time, orders=1)
    beat.finds_nothing(29)
    assert beat.due(29) == set()
    beat.finds_nothing(31)
    beat.control_sender.send(due := beat.control_sender.due())
    assert due == dict.fromkeys(forgotten, STARTED - 60)
    # Kafka has the record, and the next batch moves the watermark.
    beat.finds_nothing(62)
    assert beat.due(62) == set()
    beat.commits(63, begun=62, watermark=-60 - LATENESS)
    beat.finds_nothing(99)
    assert beat.due(99) == set()


def test_a_topic_that_refuses_control_records_is_reported_and_keeps_no_other_from_its_own(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    beat = Beat(monkeypatch, waits=True)
    beat.kafka.refusing = {ORDERS.topic}
    beat.finds_nothing(31)
    beat.control_sender.send(beat.control_sender.due())
    assert (beat.kafka.sent, beat.refused) == ([PAYMENTS.topic], [[ORDERS.topic]])
    # Not before another timeout, and said once.
    beat.finds_nothing(60)
    assert beat.due(60) == set()
    beat.finds_nothing(62)
    beat.control_sender.send(beat.control_sender.due())
    assert len(beat.refused) == 1
    assert [record.getMessage() for record in caplog.records] == [warnings({REFUSED: [ORDERS.topic]}, 0)["control"]]
    assert "(no WRITE right): unmatched documents will not appear while orders_topic_data_v1 is quiet" in caplog.text
    beat.kafka.refusing = set()
    beat.finds_nothing(99)
    beat.control_sender.send(beat.control_sender.due())
    assert beat.refused[1:] == [[]]


def test_a_batch_that_is_committed_while_a_control_record_is_noted_is_not_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Spark's listener and the sender's thread change the same clock."""
    beat = Beat(monkeypatch, waits=True)
    beat.finds_nothing(31)
    listener = threading.Thread(target=lambda: beat.commits(40, begun=39, orders=1))

    def slowly(clock: Clock, **changes: Any) -> Clock:
        if "sent" in changes and listener.ident is None:
            listener.start()
            listener.join(0.5)  # it has to wait for us, and comes through where it need not
        return Clock(**{**vars(clock), **changes})

    monkeypatch.setattr(idle_watermark, "replace", slowly)
    beat.control_sender.send(beat.control_sender.due())
    listener.join()
    clock = beat.control_sender.clocks["orders"]
    assert (clock.newest, clock.sent) == (40.0, STARTED + 31 - TOLERANCE)


def test_a_topic_with_an_open_transaction_gets_no_control_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """Committed later, its events would be late."""
    beat = Beat(monkeypatch, waits=True)
    beat.kafka.open = {ORDERS.topic}
    beat.finds_nothing(31)
    beat.control_sender.send(beat.control_sender.due())
    assert (beat.kafka.sent, beat.refused) == ([PAYMENTS.topic], [])
    assert beat.control_sender.clocks["orders"].sent is None
    # Kafka is not asked again before another timeout.
    beat.finds_nothing(60)
    assert beat.due(60) == set()
    beat.kafka.open = set()
    beat.finds_nothing(61)
    beat.control_sender.send(beat.control_sender.due())
    assert beat.kafka.sent[1:] == [ORDERS.topic, PAYMENTS.topic]


def test_a_control_record_names_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other jobs may read the same topic."""
    beat = Beat(monkeypatch, waits=True)
    beat.finds_nothing(31)
    beat.control_sender.send({"orders": STARTED})
    assert beat.kafka.values == [control_value("mart/orders_payments", datetime.fromtimestamp(STARTED, UTC))]


def test_after_an_error_control_records_are_sent_after_the_idle_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    beat = Beat(monkeypatch, waits=True)
    beat.finds_nothing(100)
    seconds = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: seconds[0])
    working = beat.kafka.partitionsFor
    monkeypatch.setattr(beat.kafka, "partitionsFor", lambda _: [][0])
    beat.control_sender.send_due()
    monkeypatch.setattr(beat.kafka, "partitionsFor", working)
    for passed, topics in ((29.0, set()), (30.0, {ORDERS.topic, PAYMENTS.topic})):
        seconds[0] = 1000.0 + passed
        beat.control_sender.send_due()
        assert set(beat.kafka.sent) == topics


PLANNED = {"orders": {"0": 120}, "payments": {"3": 10}}
REPORTED = {
    "checkpoint": "mine",
    "batch": 7,
    "input_rows_total": 100,
    "late_total": 40,
    "late_at_ms": 5000,
    "unreported": 30,
    "watermark": {"$date": "2026-11-22T00:00:00.000Z"},
    "committed": {"orders": {"0": 100}},
    "streams": {"orders": {"events": 90, "control": 3, "rejected": 7, "newest_ms": 1}},
    "state_events": 3,
    "state_operators": 1,
}


def reports_in(told: list[dict[str, Any]], before: dict[str, Any] | None) -> Callable[..., Any]:
    """Returns what opens the collections of reports: the newest one is ``before``, and further ones are added."""
    newest = [] if before is None else [before]
    found = SimpleNamespace(with_ids=lambda _: newest, insert=told.append, put=lambda report: newest.append(report))
    return lambda *_: found


@pytest.mark.parametrize(
    ("reported", "committed", "waits"),
    [
        ({"batch": 7, "state_events": 3}, 7, True),
        ({"batch": 7, "state_events": 0}, 7, False),
        # Nobody has told of the batch that was committed last.
        ({"batch": 7, "state_events": 0, "unreported": 1}, 8, True),
        ({"batch": 7, "state_events": 0, "unreported": 1}, 7, False),
        (None, 0, True),
        (None, None, False),
        # A new checkpoint.
        ({"batch": 7, "state_events": 3}, None, False),
    ],
)
def test_what_waits_is_known_from_the_driver_before(
    monkeypatch: pytest.MonkeyPatch, reported: dict[str, Any] | None, committed: int | None, waits: bool
) -> None:
    told: list[dict[str, Any]] = []
    none = {"unreported": 0, "watermark": None, "committed": {}, "streams": {}}
    before = None if reported is None else {**REPORTED, **none, **reported}
    monkeypatch.setattr(progress, "MongoCollection", reports_in(told, before))
    monkeypatch.setattr(progress, "describe", lambda *_: {})
    monkeypatch.setattr(progress, "last_committed", lambda *_: committed)
    monkeypatch.setattr(progress, "checkpoint_id", lambda *_: "mine")
    offsets = {"orders": {"0": 5}}
    monkeypatch.setattr(progress, "planned", lambda *_: Planned(offsets, 1000, 2000, {}))
    waiting = StateEvents(1800, 1800, LATENESS)
    reporter = ProgressReporter(cast(Any, None), CONFIG, waiting)
    assert bool(waiting.number) == waits
    reporter.report("started")
    # Readers take it for what waits, too.
    assert told[0]["state_events"] == (0 if committed is None else (reported or {}).get("state_events", 0))
    # So is what was committed.
    untold = committed is not None and committed > (-1 if reported is None else reported["batch"])
    assert told[0]["committed"] == (offsets if untold else {})
    assert told[0]["watermark"] == ({"$date": "1970-01-01T00:00:01.000Z"} if untold else None)
    assert reporter.watermark_ms == (1000 if untold else 0)


def reported_at_the_start(
    monkeypatch: pytest.MonkeyPatch, before: dict[str, Any] | None, committed: int | None
) -> dict[str, Any]:
    """Returns a driver's first report, by the last one of the driver before and the checkpoint."""
    told: list[dict[str, Any]] = []
    monkeypatch.setattr(progress, "MongoCollection", reports_in(told, before))
    monkeypatch.setattr(progress, "describe", lambda *_: {})
    monkeypatch.setattr(progress, "last_committed", lambda *_: committed)
    monkeypatch.setattr(progress, "checkpoint_id", lambda *_: "mine")
    monkeypatch.setattr(progress, "planned", lambda *_: Planned(PLANNED, 1000, 2000, {}))
    ProgressReporter(cast(Any, None), CONFIG, StateEvents(1800, 1800, LATENESS)).report("started")
    return {name: told[0][name] for name in progress.CARRIED}


def test_a_new_checkpoint_starts_at_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    # What it will read again was not dropped by it, however much the checkpoint before had dropped.
    assert reported_at_the_start(monkeypatch, REPORTED, None) == reported_at_the_start(monkeypatch, None, None)


def test_the_same_checkpoint_continues_the_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    assert reported_at_the_start(monkeypatch, REPORTED, 7) == REPORTED


@pytest.mark.parametrize("committed", [2, 7, 9])
def test_what_was_reported_of_another_checkpoint_does_not_count(
    monkeypatch: pytest.MonkeyPatch, committed: int
) -> None:
    found = reported_at_the_start(monkeypatch, {**REPORTED, "checkpoint": "another"}, committed)
    # Nothing has counted what its batches dropped, of all these records.
    assert (found["late_total"], found["input_rows_total"], found["unreported"]) == (0, 0, 130)
    assert found["committed"] == PLANNED
    assert found["watermark"] == {"$date": "1970-01-01T00:00:01.000Z"}


def test_records_of_batches_without_a_report_may_all_have_been_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    found = reported_at_the_start(monkeypatch, REPORTED, 8)
    assert (found["late_total"], found["unreported"], found["committed"]) == (40, 30 + 20 + 10, PLANNED)


def test_the_newest_report_of_each_job_is_kept_beside_the_capped_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another job may fill the capped collection while this one is stopped."""
    kept: dict[str, dict[str, Any]] = {}

    def opened(_spark: object, _config: object, collection: str) -> Any:
        def put(report: dict[str, Any]) -> None:
            assert collection == JOB_COLLECTION
            kept[report["_id"]] = report

        return SimpleNamespace(insert=lambda _: None, put=put, with_ids=lambda ids: [kept[i] for i in ids if i in kept])

    monkeypatch.setattr(progress, "MongoCollection", opened)
    monkeypatch.setattr(progress, "describe", lambda *_: {})
    monkeypatch.setattr(progress, "last_committed", lambda *_: 7)
    monkeypatch.setattr(progress, "checkpoint_id", lambda *_: "mine")
    kept[CONFIG.pipeline] = {**REPORTED, "_id": CONFIG.pipeline, "pipeline": CONFIG.pipeline}
    ProgressReporter(cast(Any, None), CONFIG, StateEvents(1800, 1800, LATENESS)).report("started", batch=8)
    assert {name: kept[CONFIG.pipeline][name] for name in REPORTED} == {**REPORTED, "batch": 8}
    assert kept[CONFIG.pipeline]["event"] == "started"


def test_a_batch_that_lost_its_commit_keeps_the_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    assert reported_at_the_start(monkeypatch, REPORTED, 6) == REPORTED


@pytest.mark.parametrize("committed", [7, None])
def test_the_report_tells_what_needs_attention_and_a_new_checkpoint_has_no_newest_events(
    monkeypatch: pytest.MonkeyPatch, committed: int | None
) -> None:
    told: list[dict[str, Any]] = []
    streams = {
        "orders": {EVENTS: 1, CONTROL: 0, NEWEST: 5000},
        "payments": {EVENTS: 0, CONTROL: 0, NEWEST: None},
    }
    reported = {**REPORTED, LATE_AT: None, "streams": streams}
    monkeypatch.setattr(progress, "MongoCollection", reports_in(told, reported))
    monkeypatch.setattr(progress, "describe", lambda *_: {})
    monkeypatch.setattr(progress, "last_committed", lambda *_: committed)
    monkeypatch.setattr(progress, "checkpoint_id", lambda *_: "mine")
    reporter = ProgressReporter(cast(Any, None), CONFIG, StateEvents(1800, 1800, LATENESS))
    assert reporter.newest_ms == ({} if committed is None else {"orders": 5000})
    reporter.refused(["a"])
    for number, late in enumerate((0, 2, 0)):
        operator = SimpleNamespace(numRowsDroppedByWatermark=late, memoryUsedBytes=1)
        batch = SimpleNamespace(
            id="mine",
            batchId=8 + number,
            numInputRows=5,
            stateOperators=[operator],
            sources=[],
            observedMetrics={},
            eventTime={},
            timestamp="2026-11-29T10:00:00.000Z",
            durationMs={},
        )
        reporter.batch(cast(Any, batch), BatchSteps())
    assert [document[REFUSED] for document in told] == [["a"]] * 3
    first, second, third = (document[LATE_AT] for document in told)
    assert first is None
    # A batch without late records keeps the time of the last one that had some.
    assert time.time() - 60 < second / 1000 <= time.time()
    assert third == second


def test_that_mongodb_does_not_answer_is_said_while_the_job_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    texts: list[str] = []
    said = threading.Event()

    def warning(text: str) -> None:
        texts.append(text)
        said.set()

    away = SimpleNamespace(with_ids=lambda _: [], insert=lambda _: said.wait(30), put=lambda _: None)
    monkeypatch.setattr(progress, "MongoCollection", lambda *_: away)
    monkeypatch.setattr(progress, "describe", lambda *_: {})
    monkeypatch.setattr(progress, "last_committed", lambda *_: None)
    monkeypatch.setattr(logging.getLogger(progress.__name__), "warning", warning)
    monkeypatch.setattr(progress, "SILENCE_S", 0.01)
    ProgressReporter(cast(Any, None), CONFIG, StateEvents(1800, 1800, LATENESS)).report("started")
    assert texts == ["MongoDB does not answer; the job waits for it"]
