"""Where to go on would lose data, the job stops, says why, and the documented recovery works."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent

import pytest
from confluent_kafka import Producer
from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import ConfigResource

from tandem import pipelines
from tandem.engine.declare.stream import JOB_COLLECTION, PROGRESS_COLLECTION
from tandem.pipelines.orders_payments.streams import DEAD_LETTER_TOPIC, FACTS, ORDERS, PAYMENTS, UNMATCHED
from tandem.platforms.provision import DEAD_LETTER_BYTES
from tests.environment import Environment
from tests.faults.backends import send
from tests.faults.conftest import FAULT_STATE, Arenas, backend_of, environment_of
from tests.faults.second_driver import two_drivers
from tests.foreign import order, payment, send_two_facts_of_one_customer

BUNDLED = Path(pipelines.__file__).with_name("orders_payments")
Change = Callable[[Environment], Environment]


@pytest.fixture(params=["embedded", "local"])
def lone(arenas: Arenas, request: pytest.FixtureRequest) -> Iterator[Environment]:
    """An environment that may be broken, with something in it.

    No topic is ever called quiet: on a slow machine event time would jump to half an hour ago between two records of a
    set, and what is without a partner in the next set would wait for half an hour.
    """
    arenas.end()
    base = environment_of(request.param, idle_s=3600)
    environment = replace(base, home=FAULT_STATE / "lone", first_port=29830)
    with environment.started():
        environment.tandem("produce", "--count", "300", "--close")
        environment.wait("lag 0", environment.caught_up)
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
    processes = backend_of(environment)
    send(processes, "job", signal.SIGSTOP)
    environment.tandem("produce", "--count", "300")
    with KafkaAdminClient(bootstrap_servers=environment.bootstrap) as admin:
        change(admin)
    send(processes, "job", signal.SIGKILL)
    return environment


def the_state_is_damaged(environment: Environment) -> Environment:
    environment.tandem("down")
    files = [path for path in (backend_of(environment).checkpoint / "state").rglob("*") if path.is_file()]
    damaged = [path for path in files if path.suffix in (".delta", ".snapshot", ".zip", ".changelog")]
    assert damaged
    for path in damaged:
        path.write_bytes(b"")
    return environment


def the_state_is_gone(environment: Environment) -> Environment:
    environment.tandem("down")
    shutil.rmtree(backend_of(environment).checkpoint / "state")
    return environment


def the_code_is_incompatible(environment: Environment) -> Environment:
    """Another version of the pipeline has a field of another type, and so another state."""
    environment.tandem("down")
    return with_other_code(
        environment,
        "streams.py",
        """
        from dataclasses import replace

        ORDERS = replace(ORDERS, fields={**ORDERS.fields, "customer_id": FieldType.INTEGER})
        STREAMS = (ORDERS, PAYMENTS)
        FACTS = replace(FACTS, fields={**FACTS.fields, "customer_id": DocumentType.INTEGER})
        UNMATCHED = replace(UNMATCHED, fields={**UNMATCHED.fields, "customer_id": DocumentType.INTEGER})
        COLLECTIONS = (FACTS, UNMATCHED)
        """,
    )


def with_other_code(environment: Environment, name: str, addition: str) -> Environment:
    """Returns the environment with another version of the pipeline: `addition` is the end of its module `name`."""
    own = environment.home / "pipelines"
    shutil.rmtree(own, ignore_errors=True)
    folder = own / BUNDLED.name
    shutil.copytree(BUNDLED, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in folder.glob("*.py"):
        file.write_text(file.read_text("utf-8").replace("tandem.pipelines.", "pipelines."), "utf-8")
    with (folder / name).open("a", encoding="utf-8") as changed:
        changed.write(dedent(addition))
    return replace(environment, extra=(*environment.extra, ("TANDEM_PIPELINES_DIR", str(own))))


# It is about a driver that tasks run in, or starts another one beside it.
EMBEDDED_ONLY = pytest.mark.parametrize("lone", ["embedded"], indirect=True)
CASES = (
    pytest.param(retention_passes_the_job, "gone from Kafka", marks=pytest.mark.on_demand),
    pytest.param(a_topic_is_created_anew, "gone from Kafka", marks=pytest.mark.on_demand),
    pytest.param(the_state_is_damaged, "damaged", marks=pytest.mark.on_demand),
    pytest.param(the_state_is_gone, "damaged", marks=pytest.mark.on_demand),
    pytest.param(the_code_is_incompatible, "incompatible version", marks=pytest.mark.on_demand),
)


@pytest.mark.parametrize(("change", "words"), CASES, ids=lambda each: getattr(each, "__name__", ""))
def test_the_job_stops_and_says_why(lone: Environment, change: Change, words: str) -> None:
    environment = change(lone)
    if environment.status()["job"]["state"] == "stopped":
        environment.tandem("up", "--wait", code=None)
        # Without records there is no batch, and the state is not read.
        environment.tandem("produce", "--count", "100", code=None)
    problem = environment.wait("the problem", lambda: environment.status()["problem"], 120)
    assert words in problem
    assert "docs/guides/recovery.md" in problem
    assert environment.status()["job"]["state"] == "failed"
    # What docs/guides/recovery.md says, with the code that made what is in MongoDB.
    lone.tandem("down")
    shutil.rmtree(backend_of(lone).checkpoint)
    lone.tandem("up", "--wait")
    lone.wait("lag 0", lone.caught_up)
    report = json.loads(lone.tandem("verify", "--json", code=None).stdout)
    kinds = {problem["kind"] for problem in report["problems"]}
    # What is gone from Kafka cannot be accounted for; nothing else may be wrong.
    assert kinds <= {"invented"} if words == "gone from Kafka" else not kinds, report


@pytest.mark.on_demand
def test_a_compatible_change_goes_on_with_the_checkpoint(lone: Environment) -> None:
    """Documents that are made in another way of the same state."""
    before = lone.status()["job"]["last_batch"]
    lone.tandem("down")
    environment = with_other_code(
        lone,
        "transform.py",
        """
        from dataclasses import replace


        def other_kinds(joined: DataFrame) -> DataFrame:
            return unmatched(joined).withColumn("kind", F.upper("kind"))


        FACT_OUTPUT, UNMATCHED_OUTPUT = PIPELINE.outputs
        PIPELINE = replace(PIPELINE, outputs=(FACT_OUTPUT, replace(UNMATCHED_OUTPUT, documents=other_kinds)))
        """,
    )
    environment.tandem("up", "--wait")
    environment.tandem("produce", "--count", "300", "--close")
    environment.wait("lag 0", environment.caught_up)
    assert environment.status()["job"]["last_batch"] > before
    with lone.database() as database:
        assert database[UNMATCHED.name].find_one({"kind": "order"})
        lone.wait("what the new code has made", lambda: database[UNMATCHED.name].find_one({"kind": "ORDER"}))
    # What it has written in its own way is all that differs from ours.
    report = json.loads(environment.tandem("verify", "--json", "--wait", "60", code=1).stdout)
    problems = {(problem["kind"], problem["where"]) for problem in report["problems"]}
    assert problems == {("wrong", UNMATCHED.name)}, report


def limit_letters(admin: KafkaAdminClient, size: int) -> None:
    admin.alter_configs([ConfigResource("TOPIC", DEAD_LETTER_TOPIC, {"max.message.bytes": str(size)})])


def unwritable_to_large_letters(admin: KafkaAdminClient, _environment: Environment) -> None:
    limit_letters(admin, 200)


def gone(admin: KafkaAdminClient, environment: Environment) -> None:
    admin.delete_topics([DEAD_LETTER_TOPIC])
    environment.wait("the topic to be gone", lambda: DEAD_LETTER_TOPIC not in admin.list_topics())


@pytest.mark.on_demand
@pytest.mark.parametrize(
    ("break_topic", "words", "may_be"),
    [
        (unwritable_to_large_letters, "RecordTooLargeException", set()),
        # The letters that were in it are gone with it.
        (gone, "there is no such topic", {"lost"}),
    ],
)
def test_dead_letters_cannot_be_written(
    lone: Environment,
    break_topic: Callable[[KafkaAdminClient, Environment], None],
    words: str,
    may_be: set[str],
) -> None:
    with KafkaAdminClient(bootstrap_servers=lone.bootstrap) as admin:
        break_topic(admin, lone)
        # The job may give up before all is sent, and then that is said instead of a summary.
        lone.tandem("produce", "--count", "300", "--close", code=None)
        # A topic that vanished is one that may come back, for as long as Kafka's producer has patience: two minutes.
        problem = lone.wait("the problem", lambda: lone.status()["problem"], 240)
        assert f"dead letters cannot be written to {DEAD_LETTER_TOPIC}: {words}" in problem, lone.tandem("logs").stdout
        assert "Traceback" not in problem
        assert backend_of(lone).job_restarts == 0
        if break_topic is unwritable_to_large_letters:
            limit_letters(admin, DEAD_LETTER_BYTES)
    lone.tandem("down")
    lone.tandem("up", "--wait")
    report = json.loads(lone.tandem("verify", "--json", code=None).stdout)
    assert {problem["kind"] for problem in report["problems"]} <= may_be, report


@pytest.mark.on_demand
def test_the_dead_letter_topic_allows_less_than_a_batch_of_kafkas_client(lone: Environment) -> None:
    """Each letter fits, but not the 16 KiB of letters that the client sends together by default."""
    with KafkaAdminClient(bootstrap_servers=lone.bootstrap) as admin:
        limit_letters(admin, 4_000)
    foreign = Producer({"bootstrap.servers": lone.bootstrap})
    for number in range(2_000):
        foreign.produce(ORDERS.topic, f"malformed {number}".encode())
    assert foreign.flush(30) == 0
    report = json.loads(lone.tandem("verify", "--json", "--wait", "60").stdout)
    assert report["ok"]
    assert report["streams"]["orders"]["dead"] >= 2_000


@pytest.mark.on_demand
def test_a_unique_index_of_somebody_else(lone: Environment) -> None:
    with lone.database() as database:
        theirs = {"customer_id": "planted-payload"}
        database[FACTS.name].create_index("customer_id", name="theirs", unique=True, partialFilterExpression=theirs)
        send_two_facts_of_one_customer(lone.bootstrap, "planted-payload")
        problem = lone.wait("the problem", lambda: lone.status()["problem"])
        assert "the unique index theirs" in problem
        assert backend_of(lone).job_restarts == 0
        # mongod logs the filter of the index that was created above.
        logged = [line for line in lone.tandem("logs").stdout.splitlines() if "partialFilterExpression" not in line]
        assert not any("planted-payload" in line for line in logged)
        database[FACTS.name].drop_index("theirs")
    lone.tandem("submit")
    assert json.loads(lone.tandem("verify", "--json").stdout)["ok"]


@pytest.mark.on_demand
def test_a_document_too_large(lone: Environment) -> None:
    """Our topics refuse records that could make one; somebody has opened them."""
    contents = lone.contents()
    with KafkaAdminClient(bootstrap_servers=lone.bootstrap) as admin:
        for topic in (ORDERS.topic, PAYMENTS.topic):
            admin.alter_configs([ConfigResource("TOPIC", topic, {"max.message.bytes": str(20 * 2**20)})])
    large, now = "planted-document" + "l" * 9 * 2**20, datetime.now(UTC)
    foreign = Producer({"bootstrap.servers": lone.bootstrap, "message.max.bytes": 20 * 2**20})
    foreign.produce(ORDERS.topic, order(large, now))
    foreign.produce(PAYMENTS.topic, payment("p", large, now))
    assert foreign.flush(60) == 0
    problem = lone.wait("the problem", lambda: lone.status()["problem"])
    assert "larger than MongoDB's limit of 16 MiB" in problem
    assert "planted-document" not in lone.tandem("logs").stdout + problem
    now_there = lone.contents()
    assert now_there[FACTS.name] == contents[FACTS.name]
    # Of its batch what is written beside it may be there: what its time has made final. Nothing else has changed.
    assert contents[UNMATCHED.name].items() <= now_there[UNMATCHED.name].items()
    assert all("planted-document" not in each for each in now_there[UNMATCHED.name])


@EMBEDDED_ONLY
@pytest.mark.on_demand
def test_a_batch_needs_more_memory_than_java_has(lone: Environment) -> None:
    """The job says that its heap is too small; with code that needs less, nothing of the batch is lost or doubled."""
    lone.tandem("down")
    spark = {"spark.driver.memory": "600m", "spark.driver.extraJavaOptions": "-XX:+UseParallelGC"}
    other = with_other_code(
        replace(lone, extra=(*lone.extra, ("TANDEM_SPARK", json.dumps(spark)))),
        "transform.py",
        """
        from dataclasses import replace


        def beside_all_facts(joined: DataFrame) -> DataFrame:
            found = facts(joined)
            all_in_one_row = found.agg(F.collect_list(F.repeat("customer_id", 100_000)).alias("all"))
            return found.crossJoin(all_in_one_row).where(F.size("all") > 0).drop("all")


        FACT_OUTPUT, UNMATCHED_OUTPUT = PIPELINE.outputs
        PIPELINE = replace(PIPELINE, outputs=(replace(FACT_OUTPUT, documents=beside_all_facts), UNMATCHED_OUTPUT))
        """,
    )
    other.tandem("up", "--wait")
    # The job may give up before all is sent.
    other.tandem("produce", "--count", "20000", "--mix", "late=0", "--close", code=None)
    problem = other.wait("the problem", lambda: other.status()["problem"], 240)
    assert "Java ran out of memory" in problem
    assert "spark.driver.memory" in problem
    lone.tandem("down")
    lone.tandem("up", "--wait")
    assert json.loads(lone.tandem("verify", "--json").stdout)["ok"]


@EMBEDDED_ONLY
@pytest.mark.on_demand
def test_a_second_driver_on_the_same_checkpoint(lone: Environment) -> None:
    two_drivers(lone, first_ends=True)
    problem = lone.wait("the problem", lambda: lone.status()["problem"])
    assert "another driver uses the same checkpoint" in problem
    lone.tandem("submit")
    # The drivers may have parted the last records of the two streams, and a restarted one forgets a stream's watermark.
    lone.tandem("produce", "--count", "20", "--close")
    assert json.loads(lone.tandem("verify", "--json").stdout)["ok"]


@pytest.mark.on_demand
def test_a_commit_without_a_report(lone: Environment) -> None:
    """The driver dies between a commit and its report, and nothing more comes that the next one could commit."""
    with lone.database() as database:
        first = database[PROGRESS_COLLECTION].find_one({"event": "batch", "batch": 0}, {"_id": False})
        send(backend_of(lone), "job", signal.SIGKILL)
        database[JOB_COLLECTION].replace_one({"_id": first["pipeline"]}, first)
    assert not lone.caught_up()
    lone.wait("another driver that knows that all is committed", lone.caught_up)
