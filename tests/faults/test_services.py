"""Kafka and MongoDB stop, die, freeze, and are not there when the job starts."""

from __future__ import annotations

import signal
from datetime import UTC, datetime

import pytest

from tests.faults.arena import Arena, documents_are_being_written


@pytest.mark.parametrize(
    ("service", "number"),
    [
        pytest.param("kafka", signal.SIGKILL, id="kafka-killed", marks=pytest.mark.on_demand("local")),
        pytest.param("kafka", signal.SIGTERM, id="kafka-restarted", marks=pytest.mark.on_demand("local")),
        pytest.param("mongo", signal.SIGKILL, id="mongo-killed", marks=pytest.mark.on_demand),
        pytest.param("mongo", signal.SIGTERM, id="mongo-restarted", marks=pytest.mark.on_demand),
        pytest.param("spark-worker", signal.SIGKILL, id="worker-killed", marks=pytest.mark.on_demand),
        pytest.param("spark-master", signal.SIGKILL, id="master-killed", marks=pytest.mark.on_demand),
    ],
)
def test_a_service_goes_down_under_load(arena: Arena, service: str, number: signal.Signals) -> None:
    if service.startswith("spark-") and arena.case.profile == "embedded":
        pytest.skip("as processes, the driver is its own executor: there is no worker and no master")
    with arena.load():
        arena.recovered(arena.signal(service, number))
    arena.check()


@pytest.mark.on_demand
def test_an_executor_is_killed_under_load(arena: Arena) -> None:
    """Its worker lives; the master has it start another, which takes the state from the checkpoint."""
    if arena.case.profile == "embedded":
        pytest.skip("as processes, the driver is its own executor")
    with arena.load():
        arena.recovered(arena.signal("spark-worker", signal.SIGKILL, only="CoarseGrainedExecutorBackend"))
    arena.check()


@pytest.mark.on_demand
def test_mongo_steps_down_under_load(arena: Arena) -> None:
    with arena.load():
        with arena.environment.database() as database:
            database.client.admin.command("replSetStepDown", 10, force=True)
        arena.note("MongoDB steps down for 10 s")
        arena.recovered(datetime.now(UTC))
    arena.check()


@pytest.mark.on_demand("local")
def test_mongo_is_killed_in_mid_bulk(arena: Arena) -> None:
    arena.kill_in_a_batch("mongo", documents_are_being_written)
    arena.check()


@pytest.mark.parametrize(
    ("service", "seconds"),
    [
        pytest.param("mongo", 60, marks=pytest.mark.on_demand("local")),
        pytest.param("kafka", 30, marks=pytest.mark.on_demand),
    ],
)
def test_a_service_hangs_under_load(arena: Arena, service: str, seconds: float) -> None:
    with arena.load():
        with arena.frozen(service):
            arena.pass_time(seconds)
        arena.recovered(arena.signal(service, signal.SIGCONT))
    arena.check()


@pytest.mark.on_demand
def test_kafka_hangs_for_long(arena: Arena) -> None:
    with arena.load():
        with arena.frozen("kafka"):
            arena.pass_time(150)
        arena.recovered(arena.signal("kafka", signal.SIGCONT))
    arena.check()


@pytest.mark.parametrize(
    "service",
    [
        pytest.param("kafka", marks=pytest.mark.on_demand("local")),
        pytest.param("mongo", marks=pytest.mark.on_demand),
    ],
)
def test_a_service_is_down_when_the_driver_starts(arena: Arena, service: str) -> None:
    with arena.load():
        arena.signal(service, signal.SIGKILL)
        arena.recovered(arena.signal("job", signal.SIGKILL))
    arena.check()
