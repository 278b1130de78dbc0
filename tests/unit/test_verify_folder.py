"""`verify` of many records: its temporary files, its progress, and the choice of processes."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from tandem.errors import TandemError
from tandem.pipelines.orders_payments.streams import DEAD_LETTER_TOPIC, FACTS, ORDERS, PAYMENTS, UNMATCHED
from tandem.settings.load import load
from tandem.settings.model import Settings
from tandem.verify import verify as verify_module
from tandem.verify.parallel.comparing import compare_part
from tandem.verify.report import Report
from tandem.verify.step_progress import Progress, counted
from tandem.verify.totals import Dropped
from tandem.verify.verify import verify
from tests.parts import Here, InMemory, Stored
from tests.unit.test_verify import EARLY, Database, Topics, order


class Workers(Here):
    """Runs the functions in this process, after a look at the folder."""

    def __init__(self, home: Path, error: BaseException | None) -> None:
        self._home, self._error = home, error
        self.folders: set[Path] = set()

    def __call__(self) -> Self:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Ends nothing."""

    def each(self, function: Callable[..., Any], tasks: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
        yield from super().each(function, tasks)
        self.folders.update(self._home.glob("verify-*"))
        if self._error:
            raise self._error


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    topics = Topics({ORDERS.topic: [order(0, EARLY)._replace(value=b"{")], PAYMENTS.topic: [], DEAD_LETTER_TOPIC: []})
    sources = InMemory(topics, Stored({FACTS.name: [], UNMATCHED.name: []}))
    monkeypatch.setattr("tandem.verify.verify.TopicReader", topics.reader)
    monkeypatch.setattr("tandem.verify.mongo_documents.MongoClient", Database)
    monkeypatch.setattr("tandem.verify.verify.check_uncompacted", lambda *_: None)
    monkeypatch.setattr("tandem.verify.verify.await_settled", lambda *_, **__: Dropped(0))
    monkeypatch.setattr("tandem.verify.verify.KafkaAndMongo", lambda _: sources)
    return load("embedded").model_copy(update={"state_dir": tmp_path})


def verified(settings: Settings, parallel_from: int = 0) -> Report:
    return verify(settings, settle_deadline_s=0, parallel_from=parallel_from)


def test_temporary_files_are_removed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    workers = Workers(settings.home, None)
    monkeypatch.setattr("tandem.verify.verify.Workers", workers)
    report = verified(settings)
    assert [(problem.kind, problem.where) for problem in report.problems] == [("lost", DEAD_LETTER_TOPIC)]
    assert len(workers.folders) == 1
    assert not list(settings.home.glob("verify-*"))


@pytest.mark.parametrize(
    "error", [TandemError("a worker died", hint="look"), KeyboardInterrupt(), OSError(errno.EIO, "broken")]
)
def test_temporary_files_are_removed_after_an_error(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    workers = Workers(settings.home, error)
    monkeypatch.setattr("tandem.verify.verify.Workers", workers)
    with pytest.raises(type(error)):
        verified(settings)
    assert len(workers.folders) == 1
    assert not list(settings.home.glob("verify-*"))


def test_a_full_disk_is_an_error_with_the_folder_and_the_space(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers = Workers(settings.home, OSError(errno.ENOSPC, "No space left on device"))
    monkeypatch.setattr("tandem.verify.verify.Workers", workers)
    with pytest.raises(TandemError, match=f"temporary files to {settings.home}: No space left on device") as caught:
        verified(settings)
    assert "needs about 1 MB there" in caught.value.hint
    assert not list(settings.home.glob("verify-*"))


def test_a_folder_that_cannot_be_made_is_an_error(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(settings.home))

    monkeypatch.setattr(Path, "mkdir", refused)
    with pytest.raises(TandemError, match=r"cannot write temporary files to .*: Permission denied"):
        verified(settings)


class Growing(Workers):
    """Adds a record to a topic during each of the first rounds."""

    def __init__(self, home: Path, rounds: int) -> None:
        super().__init__(home, None)
        self._rounds = rounds

    def each(self, function: Callable[..., Any], tasks: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
        yield from super().each(function, tasks)
        if function is compare_part and self._rounds:
            self._rounds -= 1
            orders = verify_module.TopicReader.__self__[ORDERS.topic]  # type: ignore[attr-defined]
            orders.append(order(len(orders), EARLY)._replace(value=b"{"))


def test_a_round_after_the_deadline_is_compared_again(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tandem.verify.verify.Workers", Growing(settings.home, 1))
    report = verified(settings)
    assert [(problem.kind, problem.count) for problem in report.problems] == [("lost", 2)]


def test_topics_that_grow_in_each_round_are_an_error_with_the_differences(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tandem.verify.verify.Workers", Growing(settings.home, 2))
    with pytest.raises(
        TandemError, match=f"still grow after 0 s; differences until now: 2 lost in {DEAD_LETTER_TOPIC}"
    ):
        verified(settings)


def test_an_oracle_that_needs_all_events_gets_them_in_this_process(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers = Workers(settings.home, AssertionError())
    monkeypatch.setattr("tandem.verify.verify.Workers", workers)
    monkeypatch.setattr("tandem.verify.verify.division_of", lambda _: None)
    assert not verified(settings).ok
    assert not workers.folders


def test_few_records_need_no_process(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    workers = Workers(settings.home, AssertionError())
    monkeypatch.setattr("tandem.verify.verify.Workers", workers)
    assert not verified(settings, parallel_from=2).ok
    assert not workers.folders


@pytest.mark.parametrize(("documents", "parts"), [(1, []), (60_000, [0, 1, 2])])
def test_many_documents_need_processes_and_parts_too(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, documents: int, parts: list[int]
) -> None:
    """Those of records that Kafka has removed are still there."""
    compared: list[int] = []

    class Compared(Workers):
        def each(self, function: Callable[..., Any], tasks: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
            tasks = list(tasks)
            if function is compare_part:
                compared.extend(task[2] for task in tasks)
            yield from super().each(function, tasks)

    monkeypatch.setattr("tandem.verify.verify.Workers", Compared(settings.home, None))
    monkeypatch.setattr(Database, "estimated_document_count", lambda _: documents)
    assert not verified(settings, parallel_from=100).ok
    assert compared == parts


def test_progress_is_reported_a_few_times_and_ends_with_all(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(number / 100 for number in range(1000))
    monkeypatch.setattr("tandem.verify.step_progress.time.monotonic", lambda: next(clock))
    calls: list[tuple[str, int, int]] = []
    with Progress(lambda *call: calls.append(call)).step("reading", 100) as advance:
        assert list(counted(range(100), advance, 1)) == list(range(100))
    assert calls[0] == ("reading", 0, 100)
    assert calls[-1] == ("reading", 100, 100)
    assert len(calls) == 6
    assert [done for _, done, _ in calls] == sorted(done for _, done, _ in calls)
