"""Reading topics with a Kafka that does not answer, at whatever moment: an error of ours, and nothing stays open."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.errors import KafkaTimeoutError, NoOffsetForPartitionError
from kafka.structs import OffsetAndTimestamp

from tandem.errors import EnvironmentNotReadyError, TandemError
from tandem.settings.load import load
from tandem.verify import topics
from tandem.verify.topics import TopicReader, check_uncompacted

PARTITION = TopicPartition("t", 0)


class Consumer:
    """A topic of two records in one partition; what is named in ``fails`` raises."""

    def __init__(self, fails: str, error: Exception) -> None:
        self._fails, self._error, self.closed, self._at = fails, error, False, 0

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *_, **__: None

    def _answer(self, name: str, answer: Any) -> Any:
        if name == self._fails:
            raise self._error
        return answer

    def partitions_for_topic(self, _: str) -> Any:
        return self._answer("partitions", {0})

    def beginning_offsets(self, _: object) -> Any:
        return self._answer("beginnings", {PARTITION: 0})

    def end_offsets(self, _: object) -> Any:
        return self._answer("ends", {PARTITION: 2})

    def offsets_for_times(self, times: dict[TopicPartition, int]) -> Any:
        found = OffsetAndTimestamp(1, 5, None) if times[PARTITION] <= 5 else None
        return self._answer("times", {PARTITION: found})

    def poll(self, **_: object) -> Any:
        self._at = 2
        record: dict[str, Any] = {
            "partition": 0,
            "timestamp": 0,
            "timestamp_type": 1,
            "key": None,
            "value": b"",
            "headers": [],
        }
        return self._answer("poll", {PARTITION: [SimpleNamespace(offset=each, **record) for each in range(3)]})

    def position(self, _: object) -> Any:
        return self._answer("position", self._at)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Consumer]:
    def make(fails: str = "", error: Exception | None = None) -> Consumer:
        consumer = Consumer(fails, error or KafkaTimeoutError())
        monkeypatch.setattr(topics, "reader", lambda **_: consumer)
        return consumer

    return make


def read() -> list[int]:
    with TopicReader(load("embedded").kafka, "t") as reader:
        return [record.offset for record in reader.read(reader.beginnings(), reader.ends())]


def test_it_is_read_to_where_it_ended(opened: Callable[..., Consumer]) -> None:
    consumer = opened()
    assert read() == [0, 1]
    assert consumer.closed


def test_the_first_record_of_a_time_is_found(opened: Callable[..., Consumer]) -> None:
    opened()
    with TopicReader(load("embedded").kafka, "t") as reader:
        # Kafka knows no time before 1970.
        assert reader.at(-1) == reader.at(5) == {0: (1, 5)}
        assert reader.at(6) == {}


def test_a_kafka_that_does_not_answer_for_a_time_is_reported(opened: Callable[..., Consumer]) -> None:
    opened("times")
    with (
        TopicReader(load("embedded").kafka, "t") as reader,
        pytest.raises(EnvironmentNotReadyError, match="does not answer"),
    ):
        reader.at(0)


@pytest.mark.parametrize("moment", ["partitions", "beginnings", "ends"])
def test_a_kafka_that_does_not_answer_is_reported(opened: Callable[..., Consumer], moment: str) -> None:
    consumer = opened(moment)
    with pytest.raises(EnvironmentNotReadyError, match="does not answer: KafkaTimeoutError"):
        read()
    assert consumer.closed


@pytest.mark.parametrize("moment", ["poll", "position"])
def test_a_failure_while_reading_is_reported(opened: Callable[..., Consumer], moment: str) -> None:
    consumer = opened(moment, NoOffsetForPartitionError())
    with pytest.raises(TandemError, match="reading t failed: NoOffsetForPartitionError"):
        read()
    assert consumer.closed


def test_a_partition_without_a_start_is_not_read(opened: Callable[..., Consumer]) -> None:
    """The topic may have got it after the range was made."""
    opened()
    with TopicReader(load("embedded").kafka, "t") as reader:
        assert list(reader.read({}, {})) == []


def test_a_partition_that_is_missing_is_reported(opened: Callable[..., Consumer]) -> None:
    opened()
    with (
        TopicReader(load("embedded").kafka, "t") as reader,
        pytest.raises(TandemError, match="the topic t has no partition 1"),
    ):
        list(reader.read({0: 0, 1: 0}, {0: 2, 1: 3}))


class Administrator:
    """Tells this configuration of each topic, nothing of one of which the user may not know it."""

    def __init__(self, policies: dict[str, str | None]) -> None:
        self._policies = policies

    def __enter__(self) -> Administrator:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def describe_configs(self, _: object, **__: object) -> dict[str, Any]:
        told = {
            topic: {"cleanup.policy": {"value": policy}} if policy else {} for topic, policy in self._policies.items()
        }
        return {"topic": told}


def test_a_compacted_topic_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    policies = {"kept": "delete", "unknown": None, "compacted": "compact", "both": "compact,delete"}
    monkeypatch.setattr(topics, "KafkaAdminClient", lambda **_: Administrator(policies))
    check_uncompacted(load("embedded").kafka, ["kept", "unknown"])
    with pytest.raises(TandemError, match="Kafka compacts compacted, both: "):
        check_uncompacted(load("embedded").kafka, list(policies))


def test_the_configuration_cannot_be_read_of_a_kafka_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(**_: object) -> Any:
        raise KafkaTimeoutError()

    monkeypatch.setattr(topics, "KafkaAdminClient", away)
    with pytest.raises(EnvironmentNotReadyError, match="does not answer: KafkaTimeoutError"):
        check_uncompacted(load("embedded").kafka, ["kept"])
