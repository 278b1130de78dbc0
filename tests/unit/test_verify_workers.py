"""Worker processes: results, errors, deaths and Ctrl-C. Each test starts real processes."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from tandem.catalog import find
from tandem.errors import EnvironmentNotReadyError, TandemError
from tandem.pipelines.orders_payments.streams import DEAD_LETTER_TOPIC, ORDERS, PAYMENTS
from tandem.settings.load import load
from tandem.verify.parallel.worker_sources import KafkaAndMongo
from tandem.verify.parallel.workers import Workers, processors
from tests.parts import InMemory, Stored, in_order, report_in_parts
from tests.unit.test_verify_compare import World


def double(number: int) -> int:
    return 2 * number


def returned(sources: KafkaAndMongo) -> KafkaAndMongo:
    return sources


def fail(_: int) -> int:
    raise EnvironmentNotReadyError("Kafka does not answer", hint="start it")


def die(_: int) -> int:
    os._exit(9)


class OddError(Exception):
    """Cannot be sent to another process."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code}: {text}")


def fail_oddly(number: int) -> int:
    raise OddError(number, "no such customer")


def be_killed(_: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def warnings_and_level(_: int) -> tuple[bool, int]:
    warnings.warn("an old function", DeprecationWarning, stacklevel=1)
    return bool(warnings.filters), logging.getLogger("kafka").level


def answer_once(number: int) -> int:
    if number:
        threading.Event().wait()
    return number


@pytest.mark.parametrize(
    ("quota", "number"),
    [(None, 4), ("max 100000", 4), ("200000 100000", 2), ("50000 100000", 1), ("9900000 100000", 4)],
)
def test_a_container_limits_the_number_of_processors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str | None, number: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 5})
    if quota:
        (tmp_path / "cpu.max").write_text(f"{quota}\n")
    assert processors(tmp_path / "cpu.max") == number


@pytest.mark.parametrize("profile", ["embedded", "local", "rehearsal"])
def test_sources_can_be_sent_to_a_worker(profile: str) -> None:
    sources = KafkaAndMongo(load(profile))
    with Workers(1) as workers:
        assert list(workers.each(returned, [(sources,)])) == [sources]


def test_workers_return_each_result() -> None:
    with Workers(2) as workers:
        assert sorted(workers.each(double, [(number,) for number in range(5)])) == [0, 2, 4, 6, 8]


def test_an_error_keeps_its_class_and_its_hint() -> None:
    with pytest.raises(EnvironmentNotReadyError, match="Kafka does not answer") as caught, Workers(1) as workers:
        list(workers.each(fail, [(1,)]))
    assert (caught.value.hint, caught.value.exit_code) == ("start it", 3)


def test_an_error_that_no_other_process_can_have_is_named() -> None:
    with (
        pytest.raises(TandemError, match="verify failed: OddError: 5: no such customer") as caught,
        Workers(1) as workers,
    ):
        list(workers.each(fail_oddly, [(5,)]))
    # What --debug prints.
    assert "in fail_oddly" in str(caught.value.__cause__)


@pytest.mark.parametrize(("function", "code", "memory"), [(die, "9", False), (be_killed, "-9", True)])
def test_a_worker_that_dies_is_an_error(function: Callable[[int], int], code: str, memory: bool) -> None:
    with pytest.raises(TandemError, match=f"a worker process of verify died with exit code {code}$") as caught:  # noqa: SIM117
        with Workers(2) as workers:
            list(workers.each(function, [(number,) for number in range(3)]))
    assert ("memory" in caught.value.hint) is memory


def test_workers_have_the_filters_and_the_log_level_of_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    with Workers(1) as workers:
        assert list(workers.each(warnings_and_level, [(1,)])) == [(True, logging.CRITICAL)]
    # Without the filters, the worker fails when it imports Kafka's client.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        assert isinstance(pool.submit(warnings_and_level, 1).exception(timeout=60), BrokenProcessPool)


def interrupt_beside(others: list[Workers]) -> None:
    with Workers(1) as workers:
        others.append(Workers(1))
        assert list(others[0].each(double, [(1,)])) == [2]
        interrupt(workers)


def test_only_own_processes_are_killed() -> None:
    others: list[Workers] = []
    with pytest.raises(KeyboardInterrupt):
        interrupt_beside(others)
    with others[0]:
        assert list(others[0].each(double, [(2,)])) == [4]


def interrupt(workers: Workers) -> None:
    for _ in workers.each(answer_once, [(0,), (1,)]):
        raise KeyboardInterrupt


def test_an_interrupt_ends_workers_that_hang() -> None:
    before = set(multiprocessing.active_children())
    with pytest.raises(KeyboardInterrupt), Workers(1) as workers:
        interrupt(workers)
    assert set(multiprocessing.active_children()) == before


def test_processes_return_the_report_of_a_world() -> None:
    steps: set[str] = set()
    world = World()
    topics = {ORDERS.topic: world.orders, PAYMENTS.topic: world.payments}
    sources = InMemory({**topics, DEAD_LETTER_TOPIC: in_order(world.letters)}, Stored(world.documents))
    with Workers(2) as workers:
        report = report_in_parts(
            find("orders_payments", Path("pipelines")),
            sources,
            list(topics),
            DEAD_LETTER_TOPIC,
            {"match_window_seconds": 1800},
            workers=workers,
            progress=lambda what, _, __: steps.add(what),
        )
    assert report.ok, report.problems
    assert report.to_json() == world.report().to_json()
    assert {"reading records", "reading dead letters", "reading documents", "grouping", "comparing"} <= steps
