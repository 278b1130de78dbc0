"""Negative controls: each protection is switched off in a copy of the source, and then the same judgement must fail."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from confluent_kafka import Producer

from tandem.pipelines.orders_payments.streams import FACTS, ORDERS, PAYMENTS, UNMATCHED
from tests.environment import Environment
from tests.faults.backends import Processes, send
from tests.faults.conftest import ROOT, STATE, Arenas, environment_of
from tests.faults.foreign import order, payment, send_with_a_lagging_partition
from tests.faults.second_driver import two_drivers
from tests.integration.test_late import Sender


@dataclass(frozen=True)
class Control:
    """A protection.

    Attributes:
        name: what it is.
        file: where it is, under src/tandem.
        line: what makes it.
        without: what stands there instead.
        verdict: the kind of problem that ``tandem verify`` must then find.
        in_ci: whether this is tried without ``--all``, too.
        more: what else makes it: file, line and what stands there instead.
        idle_s: after how many seconds a quiet topic gets a control record. Where topics are left alone, the last batch
            is the last that was sent.
    """

    name: str
    file: str
    line: str
    without: str
    verdict: str
    in_ci: bool = False
    more: tuple[tuple[str, str, str], ...] = ()
    idle_s: int = 3600


CONTROLS = (
    Control(
        "an _id of the event's identity only",
        "pipelines/orders_payments/transform.py",
        'document_id("order_id", "payment_id").alias("_id")',
        'F.concat(F.lit("x"), F.uuid()).alias("_id")',
        "invented",
        in_ci=True,
    ),
    Control("dead letters", "engine/write/batch_writer.py", "        if dead:\n", "        if False:\n", "lost"),
    Control(
        "the check for dead letters that a repeated batch has already written",
        "engine/write/dead_letters.py",
        "        if planned_ms is not None:\n",
        "        if False:\n",
        "doubled",
    ),
    Control(
        "strict parsing",
        "engine/read/json_format.py",
        'return (value != "") & (~may_be_other | is_string)',
        "return value.isNotNull()",
        "lost",
    ),
)
PACEMAKER = Control(
    "the control records for quiet topics", "engine/run/job.py", "    pacemaker.start()\n", "    pass\n", "", idle_s=5
)
MAJORITY = Control(
    "writes that a majority has on disk",
    "engine/write/mongo_sink.py",
    '.option("writeConcern.w", "majority")\n        .option("writeConcern.journal", "true")',
    '.option("writeConcern.w", "1")\n        .option("writeConcern.journal", "false")',
    "lost",
    more=(
        # What is not asked for comes to the disk by itself, in 0.1 s, before the batch is committed. So later that
        # the moment can be met: MongoDB's own flush comes twice a second, and WiredTiger's is left out.
        (
            "platforms/embedded/mongod.py",
            '"slowms": "60000",',
            '"slowms": "60000", "journalCommitInterval": "500", '
            '"wiredTigerEngineConfigString": "log=(force_write_wait=60)",',
        ),
        ("engine/spark/mongo_client.py", "WriteConcern.MAJORITY", "WriteConcern.W1"),
    ),
)
NOTES = Control(
    "the notes about documents that reconcile has superseded",
    "engine/run/reconcile.py",
    "self._superseded.note(output.collection, ids, self._watermark)",
    "pass",
    "wrong",
)
NO_LIMIT = Control(
    "batches of the whole backlog",
    "engine/read/kafka_source.py",
    '"failOnDataLoss": "true",',
    '"failOnDataLoss": "true", "maxOffsetsPerTrigger": "200",',
    "lost",
)
SKEW = Control(
    "the rejection of event times in the future",
    "engine/read/parse.py",
    ' _is_timely(F.col(f"_f_{stream.event_time}"), max_clock_skew_seconds),',
    "",
    "lost",
)
SECOND_DRIVER = Control(
    "the check for another driver's commit",
    "engine/write/batch_writer.py",
    "if is_committed(",
    "if False and is_committed(",
    "doubled",
)


def weaken(source: Path, control: Control) -> None:
    """Makes ``source`` a copy of ours without the protection."""
    shutil.copytree(ROOT / "src", source, ignore=shutil.ignore_patterns("__pycache__"))
    for name, line, without in ((control.file, control.line, control.without), *control.more):
        file = source / "tandem" / name
        text = file.read_text("utf-8")
        assert text.count(line) == 1, f"{name} has no such line, or more than one"
        file.write_text(text.replace(line, without), "utf-8")


ALL = (*CONTROLS, PACEMAKER, MAJORITY, NOTES, NO_LIMIT, SKEW, SECOND_DRIVER)


@pytest.mark.parametrize("control", ALL, ids=[each.name for each in ALL])
def test_each_protection_is_where_its_control_finds_it(tmp_path: Path, control: Control) -> None:
    """Most controls run on demand; that they can is found out always."""
    weaken(tmp_path / "src", control)


@pytest.fixture
def weakened(arenas: Arenas, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Environment]:
    arenas.end()
    control: Control = request.param
    weaken(tmp_path / "src", control)
    base = environment_of("embedded")
    extra = (("TANDEM_JOB__IDLE_TIMEOUT_SECONDS", str(control.idle_s)), ("PYTHONPATH", str(tmp_path / "src")))
    environment = replace(base, home=STATE / "weakened", first_port=29820, extra=extra)
    with environment.started():
        yield environment


@pytest.mark.parametrize(
    ("weakened", "control"),
    [pytest.param(each, each, marks=() if each.in_ci else pytest.mark.on_demand) for each in CONTROLS],
    ids=[each.name for each in CONTROLS],
    indirect=["weakened"],
)
def test_without_it_the_judgement_fails(weakened: Environment, control: Control) -> None:
    """A set of all classes, dead letters last; then the last batch is done again, as after a crash."""
    weakened.tandem("produce", "--count", "400")
    # Until the watermark has come to rest: then what cannot move it makes the last batch.
    weakened.tandem("verify", code=None)
    foreign = Producer({"bootstrap.servers": weakened.bootstrap})
    time = "2026-01-01T00:00:00Z"
    for number in range(50):
        wrong_type = {"order_id": number, "order_date": time, "created_at": time, "customer_id": "c", "amount": 1}
        foreign.produce(ORDERS.topic, json.dumps(wrong_type).encode())
    assert foreign.flush(30) == 0
    weakened.wait("lag 0", weakened.caught_up)
    weakened.do_last_batch_again()
    report = json.loads(weakened.tandem("verify", "--json", "--wait", "30", code=1).stdout)
    assert control.verdict in {problem["kind"] for problem in report["problems"]}, report


@pytest.mark.on_demand
@pytest.mark.parametrize("weakened", [PACEMAKER], ids=[PACEMAKER.name], indirect=True)
def test_without_it_a_quiet_topic_holds_back_the_other(weakened: Environment) -> None:
    """With it, `test_a_foreign_producer_gets_exactly_what_the_contract_says` sees such an order within seconds."""
    long_ago = (datetime.now(UTC) - timedelta(hours=2)).isoformat()
    order = {"order_id": "alone", "order_date": long_ago, "created_at": long_ago, "customer_id": "c", "amount": 1}
    foreign = Producer({"bootstrap.servers": weakened.bootstrap})
    foreign.produce(ORDERS.topic, json.dumps(order).encode())
    assert foreign.flush(30) == 0
    weakened.wait("lag 0", weakened.caught_up)
    with weakened.database() as database, pytest.raises(AssertionError, match="the unmatched order"):
        weakened.wait("the unmatched order", lambda: database[UNMATCHED].find_one({"_id": "order|alone"}), 20)


@pytest.mark.on_demand
@pytest.mark.parametrize("weakened", [MAJORITY], ids=[MAJORITY.name], indirect=True)
def test_without_it_a_killed_database_loses_what_was_committed(weakened: Environment) -> None:
    """With it, `test_mongo_is_killed_in_mid_bulk` and the nemesis lose nothing."""
    processes = Processes(weakened.home)
    kinds: set[str] = set()
    for _ in range(10):
        send(processes, "job", signal.SIGSTOP)
        # Without dead letters the documents are the last that is written before the commit.
        weakened.tandem("produce", "--count", "2000", "--mix", "malformed=0", "--close")
        batch = 1 + max(int(path.name) for path in (processes.checkpoint / "offsets").glob("[0-9]*"))
        commit = processes.checkpoint / "commits" / str(batch)
        send(processes, "job", signal.SIGCONT)
        while not commit.exists():
            pass
        send(processes, "mongo", signal.SIGKILL)
        weakened.wait("MongoDB again", lambda: weakened.status()["ready"])
        report = json.loads(weakened.tandem("verify", "--json", "--wait", "30", code=None).stdout)
        kinds |= {problem["kind"] for problem in report["problems"]}
        if MAJORITY.verdict in kinds:
            return
    pytest.fail(f"nothing was lost; found: {kinds}")


@pytest.mark.on_demand
@pytest.mark.parametrize("weakened", [NOTES], ids=[NOTES.name], indirect=True)
def test_without_them_a_reconciled_order_is_unmatched_later(weakened: Environment) -> None:
    """With them, `test_late_records_are_counted_and_reconciled` finds none."""
    sender = Sender(weakened)
    sender.order("open", 60)
    sender.pass_time(62)
    sender.payment("late", "open", 40)
    sender.wait()
    weakened.tandem("reconcile")
    sender.pass_time(180)
    with weakened.database() as database:
        weakened.wait("the unmatched order", lambda: database[UNMATCHED].find_one({"_id": "order|open"}))
    report = json.loads(weakened.tandem("verify", "--json", code=1).stdout)
    assert {problem["kind"] for problem in report["problems"]} == {"invented"}, report


@pytest.mark.on_demand
@pytest.mark.parametrize("weakened", [NO_LIMIT], ids=[NO_LIMIT.name], indirect=True)
def test_without_them_a_lagging_partition_is_late(weakened: Environment) -> None:
    """With them, `test_a_partition_that_lags_is_not_late` loses nothing."""
    processes = Processes(weakened.home)
    send(processes, "job", signal.SIGSTOP)
    send_with_a_lagging_partition(weakened.bootstrap)
    send(processes, "job", signal.SIGCONT)
    # In ten batches, where there is one otherwise.
    weakened.wait("lag 0", weakened.caught_up, 300)
    assert facts_lost(weakened)


@pytest.mark.on_demand
@pytest.mark.parametrize("weakened", [SKEW], ids=[SKEW.name], indirect=True)
def test_without_it_a_clock_gone_wrong_makes_all_late(weakened: Environment) -> None:
    """With it, `test_every_kind_of_record` joins what comes after."""
    foreign = Producer({"bootstrap.servers": weakened.bootstrap})
    now = datetime.now(UTC)
    for name, time in (("future", now + timedelta(days=400)), ("present", now)):
        foreign.produce(ORDERS.topic, order(name, time))
        foreign.produce(PAYMENTS.topic, payment(name, name, time))
        assert foreign.flush(30) == 0
        weakened.wait("lag 0", weakened.caught_up)
    assert facts_lost(weakened)


def facts_lost(environment: Environment) -> bool:
    """Returns whether ``tandem verify`` misses facts."""
    report = json.loads(environment.tandem("verify", "--json", "--wait", "30", code=1).stdout)
    return any((problem["kind"], problem["where"]) == ("lost", FACTS) for problem in report["problems"])


@pytest.mark.on_demand
@pytest.mark.parametrize("weakened", [SECOND_DRIVER], ids=[SECOND_DRIVER.name], indirect=True)
def test_without_it_a_second_driver_doubles_dead_letters(weakened: Environment) -> None:
    """With it, `test_a_second_driver_on_the_same_checkpoint` finds none twice."""
    two_drivers(weakened)
    weakened.wait("the problem", lambda: weakened.status()["problem"])
    weakened.tandem("submit")
    report = json.loads(weakened.tandem("verify", "--json", "--wait", "30", code=1).stdout)
    assert SECOND_DRIVER.verdict in {problem["kind"] for problem in report["problems"]}, report
