"""Where to go on would lose data, the job stops, says why, and the documented way back works."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, TopicPartition

from tandem.pipelines.orders_payments.streams import ORDERS
from tests.environment import Environment
from tests.faults.backends import Processes, send
from tests.faults.conftest import ROOT, STATE, environment_of

Change = Callable[[Environment], Environment]


@pytest.fixture
def lone() -> Iterator[Environment]:
    """An environment that may be broken, with something in it."""
    base = environment_of("embedded")
    environment = replace(base, home=STATE / "lone", first_port=29830)
    with environment.started():
        environment.tandem("produce", "--count", "300", "--close")
        environment.wait("lag 0", lambda: environment.status()["job"]["lag"] == 0)
        yield environment


def retention_passes_the_job(environment: Environment) -> Environment:
    def delete(admin: KafkaAdminClient) -> None:
        parts = [TopicPartition(ORDERS.topic, number) for number in range(4)]
        admin.delete_records(dict.fromkeys(parts, -1))

    return behind_the_jobs_back(environment, delete)


def a_topic_is_created_anew(environment: Environment) -> Environment:
    def recreate(admin: KafkaAdminClient) -> None:
        admin.delete_topics([ORDERS.topic])
        environment.wait("the topic to be gone", lambda: ORDERS.topic not in admin.list_topics())
        admin.create_topics({ORDERS.topic: {"num_partitions": 4, "replication_factor": 1}}, wait_for_metadata=True)

    return behind_the_jobs_back(environment, recreate)


def behind_the_jobs_back(environment: Environment, change: Callable[[KafkaAdminClient], None]) -> Environment:
    """Changes Kafka while the job cannot see it and has not read everything, and starts the job anew."""
    processes = Processes(environment.home)
    send(processes, "job", signal.SIGSTOP)
    environment.tandem("produce", "--count", "300")
    with KafkaAdminClient(bootstrap_servers=environment.bootstrap) as admin:
        change(admin)
    send(processes, "job", signal.SIGKILL)
    return environment


def the_state_is_damaged(environment: Environment) -> Environment:
    environment.tandem("down")
    files = [path for path in (environment.home / "embedded" / "checkpoint" / "state").rglob("*") if path.is_file()]
    damaged = [path for path in files if path.suffix in (".delta", ".snapshot", ".zip", ".changelog")]
    assert damaged
    for path in damaged:
        path.write_bytes(b"")
    return environment


def the_code_is_incompatible(environment: Environment) -> Environment:
    """Another version of the pipeline has one more field, and so another state."""
    environment.tandem("down")
    source = environment.home / "src"
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(ROOT / "src", source, ignore=shutil.ignore_patterns("__pycache__"))
    file = source / "tandem" / "pipelines" / "orders_payments" / "streams.py"
    text = file.read_text("utf-8")
    field = '        "customer_id": FieldType.STRING,\n'
    assert text.count(field) == 1
    file.write_text(text.replace(field, field.replace("STRING", "INTEGER")), "utf-8")
    return replace(environment, extra=(*environment.extra, ("PYTHONPATH", str(source))))


CASES: tuple[tuple[Change, str], ...] = (
    (retention_passes_the_job, "gone from Kafka"),
    (a_topic_is_created_anew, "gone from Kafka"),
    (the_state_is_damaged, "damaged"),
    (the_code_is_incompatible, "incompatible version"),
)


@pytest.mark.on_demand
@pytest.mark.parametrize(("change", "words"), CASES, ids=[change.__name__ for change, _ in CASES])
def test_the_job_stops_and_says_why(lone: Environment, change: Change, words: str) -> None:
    environment = change(lone)
    if environment.status()["job"]["state"] == "stopped":
        environment.tandem("up", "--wait", code=None)
        # Without records there is no batch, and the state is not read.
        environment.tandem("produce", "--count", "100", code=None)
    problem = environment.wait("the problem", lambda: environment.status()["problem"], 120)
    assert words in problem
    assert "The way back" in problem
    assert environment.status()["job"]["state"] == "failed"
    # The README's way back, with the code that made what is in MongoDB.
    lone.tandem("down")
    shutil.rmtree(lone.home / "embedded" / "checkpoint")
    lone.tandem("up", "--wait")
    lone.wait("lag 0", lambda: lone.status()["job"]["lag"] == 0)
    report = json.loads(lone.tandem("verify", "--json", code=None).stdout)
    kinds = {problem["kind"] for problem in report["problems"]}
    # What is gone from Kafka cannot be accounted for; nothing else may be wrong.
    assert kinds <= {"invented"} if words == "gone from Kafka" else not kinds, report


def test_the_way_back_is_in_the_readme() -> None:
    assert "### The way back" in Path(ROOT / "README.md").read_text("utf-8")
