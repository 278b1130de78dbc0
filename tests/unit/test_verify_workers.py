"""Worker processes: results, errors, deaths and Ctrl-C. Each test starts real processes."""

from __future__ import annotations

import multiprocessing
import os
import threading
from pathlib import Path

import pytest

from tandem.catalog import find
from tandem.errors import EnvironmentNotReadyError, TandemError
from tandem.pipelines.orders_payments.streams import DEAD_LETTER_TOPIC, ORDERS, PAYMENTS
from tandem.verify.parallel.workers import Workers
from tests.parts import InMemory, Stored, in_order, report_in_parts
from tests.unit.test_verify_compare import World


def double(number: int) -> int:
    return 2 * number


def fail(_: int) -> int:
    raise EnvironmentNotReadyError("Kafka does not answer", hint="start it")


def die(_: int) -> int:
    os._exit(9)


def answer_once(number: int) -> int:
    if number:
        threading.Event().wait()
    return number


def test_workers_return_each_result() -> None:
    with Workers(2) as workers:
        assert sorted(workers.each(double, [(number,) for number in range(5)])) == [0, 2, 4, 6, 8]


def test_an_error_keeps_its_class_and_its_hint() -> None:
    with pytest.raises(EnvironmentNotReadyError, match="Kafka does not answer") as caught, Workers(1) as workers:
        list(workers.each(fail, [(1,)]))
    assert (caught.value.hint, caught.value.exit_code) == ("start it", 3)


def test_a_worker_that_dies_is_an_error() -> None:
    with pytest.raises(TandemError, match="a worker process of verify died"), Workers(2) as workers:
        list(workers.each(die, [(number,) for number in range(3)]))


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
