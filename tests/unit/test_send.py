"""Sending: pace, stop, and one outcome for each record. A broker that lives in memory answers as it is told."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kafka.errors import (
    KafkaConnectionError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    SaslAuthenticationFailedError,
)
from kafka.future import Future
from prometheus_client import REGISTRY

from tandem.engine.declare.control_record import CONTROL_KEY
from tandem.errors import EnvironmentNotReadyError, UsageError
from tandem.producer.connect import WhyNot
from tandem.producer.control import control_record
from tandem.producer.ledger import Ledger, Outcome, Record, read_ledger
from tandem.producer.send import send, serve_metrics


class Broker:
    """Takes records and answers each with what ``answer`` says: an error, or None for an acknowledgement."""

    def __init__(self, answer: Callable[[int], Exception | None] = lambda _: None, *, silent_from: int = 10**9) -> None:
        self.taken: list[tuple[str, bytes | None, bytes | None, int | None]] = []
        self._answer = answer
        self._silent_from = silent_from

    def send(self, topic: str, *, value: bytes | None, key: bytes | None, partition: int | None) -> Any:
        number = len(self.taken)
        self.taken.append((topic, key, value, partition))
        future = Future()
        if number < self._silent_from:
            error = self._answer(number)
            if error is not None:
                future.failure(error)
            else:
                future.success(SimpleNamespace(partition=partition or 0, offset=number))
        return future


def records(count: int) -> Iterator[Record]:
    for number in range(count):
        yield Record("topic", None, b"%d" % number, str(number), "valid" if number % 2 else "repeat")


def test_every_record_is_sent_and_accounted_for(tmp_path: Path) -> None:
    broker = Broker()
    with Ledger(tmp_path / "l") as ledger:
        summary = send(records(100), broker, ledger, stop=threading.Event())
    assert summary.counts == {"repeat": {"acked": 50}, "valid": {"acked": 50}}
    assert [each.offset for each in read_ledger(tmp_path / "l")] == list(range(100))
    assert [value for _, _, value, _ in broker.taken] == [b"%d" % number for number in range(100)]


def test_an_error_is_a_failure_only_when_kafka_certainly_has_no_copy(tmp_path: Path) -> None:
    errors = {1: KafkaTimeoutError(), 2: MessageSizeTooLargeError()}
    with Ledger(tmp_path / "l") as ledger:
        send(records(4), Broker(errors.get), ledger, stop=threading.Event())
    assert [each.outcome for each in read_ledger(tmp_path / "l")] == [
        Outcome.ACKED,
        Outcome.UNKNOWN,
        Outcome.FAILED,
        Outcome.ACKED,
    ]


def test_a_record_that_the_client_does_not_take_has_failed() -> None:
    class Full(Broker):
        def send(self, *_: Any, **__: Any) -> Any:
            raise KafkaTimeoutError

    summary = send(records(2), Full(), Ledger(None), stop=threading.Event())
    assert summary.total(Outcome.FAILED) == 2


def test_what_is_in_flight_at_the_stop_is_unknown(tmp_path: Path) -> None:
    stop = threading.Event()

    def stopping() -> Iterator[Record]:
        yield from records(10)
        stop.set()
        yield from records(10)

    with Ledger(tmp_path / "l") as ledger:
        summary = send(stopping(), Broker(silent_from=7), ledger, stop=stop, flush_seconds=0.05)
    entries = list(read_ledger(tmp_path / "l"))
    assert summary.total(Outcome.ACKED) == 7
    assert summary.total() == len(entries) == 11
    assert [each.outcome for each in entries[7:]] == [Outcome.UNKNOWN] * 4


def test_a_generator_that_fails_loses_no_outcome(tmp_path: Path) -> None:
    def failing() -> Iterator[Record]:
        yield from records(3)
        raise RuntimeError("broken")

    with Ledger(tmp_path / "l") as ledger, pytest.raises(RuntimeError):
        send(failing(), Broker(silent_from=2), ledger, stop=threading.Event())
    assert [each.outcome for each in read_ledger(tmp_path / "l")] == ["acked", "acked", "unknown"]


def test_the_pace_is_kept() -> None:
    began = time.monotonic()
    send(records(41), Broker(), Ledger(None), rate=200, stop=threading.Event())
    assert time.monotonic() - began >= 0.2


def test_a_stop_ends_a_slow_pace_at_once() -> None:
    stop = threading.Event()
    threading.Timer(0.05, stop.set).start()
    began = time.monotonic()
    summary = send(records(3), Broker(), Ledger(None), rate=0.01, stop=stop)
    assert time.monotonic() - began < 5
    assert summary.total() == 1


def test_a_record_waits_until_it_is_due() -> None:
    due = time.time() + 0.1
    record = Record("topic", None, b"", "a", "valid", due=due)
    send([record], Broker(), Ledger(None), stop=threading.Event())
    assert time.time() >= due


def test_a_control_record_names_its_partition_time_and_sender() -> None:
    record = control_record("topic", 3, "mart/mine", datetime(2026, 11, 22, 10, tzinfo=UTC))
    assert record.key == CONTROL_KEY
    assert record.value == b'{"tandem_control": "mart/mine", "event_time": "2026-11-22T10:00:00.000Z"}'
    assert (record.partition, record.kind) == (3, "control")


def test_a_control_record_needs_a_time_zone() -> None:
    with pytest.raises(ValueError, match="time zone"):
        control_record("topic", 0, "mart/mine", datetime(2026, 11, 22))


def test_what_became_of_records_is_counted_for_prometheus(tmp_path: Path) -> None:
    def counted(kind: str) -> float:
        labels = {"topic": "topic", "class": kind, "outcome": "acked"}
        return REGISTRY.get_sample_value("tandem_producer_records_total", labels) or 0.0

    before = counted("repeat"), counted("valid")
    with Ledger(tmp_path / "l") as ledger:
        send(records(101), Broker(), ledger, stop=threading.Event())
    assert (counted("repeat"), counted("valid")) == (before[0] + 51, before[1] + 50)


@pytest.mark.parametrize("place", ["9464", "host:", ":1", "127.0.0.1:99999", "127.0.0.1:x"])
def test_metrics_need_an_address_and_a_port(place: str) -> None:
    with pytest.raises(UsageError, match="ADDRESS:PORT"):
        serve_metrics(place)


def test_metrics_at_a_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(EnvironmentNotReadyError, match="in use"):
        serve_metrics(f"127.0.0.1:{taken.getsockname()[1]}")


def test_a_refusal_is_kept_when_the_connection_then_ends() -> None:
    log = logging.getLogger("kafka.net.manager")
    with WhyNot() as why:
        for error in (SaslAuthenticationFailedError("wrong"), KafkaConnectionError("closed"), KafkaTimeoutError()):
            log.warning("Connection failed: %s", error)
    assert isinstance(why.error, SaslAuthenticationFailedError)
