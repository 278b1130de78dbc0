"""Negative controls: each protection is switched off by its name, and then the same judgement must fail."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from confluent_kafka import Producer

from tandem.engine.spark.checkpoint import planned
from tandem.engine.write import dead_letters
from tandem.pipelines.orders_payments.streams import FACTS, ORDERS, PAYMENTS, UNMATCHED
from tandem.platforms.local_services.mongod import find_mongod
from tests.environment import Environment
from tests.faults import weakening
from tests.faults.backends import Processes, send
from tests.faults.conftest import FAULT_STATE, Arenas, environment_of
from tests.faults.second_driver import two_drivers
from tests.foreign import order, outlast_delay, payment, send_with_a_lagging_partition
from tests.integration.test_late import Sender


@dataclass(frozen=True)
class Control:
    """A protection that is switched off.

    Attributes:
        name: what it is; ``weakening.REPLACEMENTS`` has the names of the code that makes it.
        verdict: the kind of problem that ``tandem verify`` must then find.
        in_ci: whether this is tried without ``--all``, too.
        idle_s: after how many seconds a quiet topic gets a control record. Where topics are left alone, the last batch
            is the last that was sent.
    """

    name: str
    verdict: str
    in_ci: bool = False
    idle_s: int = 3600


CONTROLS = (
    Control("an _id of the event's identity only", "invented", in_ci=True),
    Control("dead letters", "lost"),
    Control("the check for dead letters that a repeated batch has already written", "doubled"),
    Control("strict parsing", "lost"),
)
PACEMAKER = Control("the control records for quiet topics", "", idle_s=5)
MAJORITY = Control("writes that a majority has on disk", "lost")
NOTES = Control("the notes about documents that reconcile has superseded", "wrong")
NO_LIMIT = Control("batches of the whole backlog", "lost")
SKEW = Control("the rejection of event times in the future", "lost")
SECOND_DRIVER = Control("the check for another driver's commit", "doubled")
ALL = (*CONTROLS, PACEMAKER, MAJORITY, NOTES, NO_LIMIT, SKEW, SECOND_DRIVER)


def weaken(folder: Path, control: Control) -> None:
    """Makes a folder that switches the protection off in each process that has it on its Python path."""
    shutil.copy(weakening.__file__, folder)
    (folder / "sitecustomize.py").write_text(
        f"from weakening import switch_off\n\nswitch_off({control.name!r})\n", "utf-8"
    )


def write_mongod(folder: Path) -> None:
    """Writes a ``mongod`` that brings to the disk late what it is not asked to.

    By itself it does so in 0.1 s, before the batch is committed. So later that the moment can be met: MongoDB's own
    flush comes twice a second, and WiredTiger's is left out.
    """
    later = "--journalCommitInterval 500 --wiredTigerEngineConfigString 'log=(force_write_wait=60)'"
    program = folder / "mongod"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(str(find_mongod()))} "$@" {later}\n', "utf-8")
    program.chmod(0o755)


@pytest.mark.parametrize("control", ALL, ids=[each.name for each in ALL])
def test_each_protection_is_where_its_control_finds_it(tmp_path: Path, control: Control) -> None:
    """Most controls run on demand; that they can is found out always."""
    weaken(tmp_path, control)
    names = list(weakening.REPLACEMENTS[control.name])
    modules = ", ".join(dict.fromkeys(name.partition(":")[0] for name in names))
    command = [sys.executable, "-c", f"import {modules}, weakening; print(*weakening.REPLACED)"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    assert sorted(done.stdout.split()) == sorted(names)


@pytest.mark.parametrize(
    ("name", "other", "problem"),
    [
        ("DeadLetters.gone", weakening.append, "has no such name"),
        ("planned", weakening.is_committed, "is of tandem.engine.spark.checkpoint"),
        ("DeadLetters.append", weakening.note, "is now"),
    ],
)
def test_a_control_whose_protection_has_changed_fails(name: str, other: object, problem: str) -> None:
    module = types.ModuleType("tandem.engine.write.dead_letters")
    module.__dict__.update(vars(dead_letters), planned=planned)
    with pytest.raises(ImportError, match=problem):
        weakening.replace(module, name, other)


@pytest.fixture
def weakened(arenas: Arenas, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Environment]:
    arenas.end()
    control: Control = request.param
    weaken(tmp_path, control)
    base = environment_of("embedded")
    extra = (("TANDEM_JOB__IDLE_TIMEOUT_SECONDS", str(control.idle_s)), ("PYTHONPATH", str(tmp_path)))
    if control is MAJORITY:
        write_mongod(tmp_path)
        extra = (*extra, ("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}"))
    environment = replace(base, home=FAULT_STATE / "weakened", first_port=29820, extra=extra)
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
        weakened.wait("the unmatched order", lambda: database[UNMATCHED.name].find_one({"_id": "order|alone"}), 20)


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
        weakened.wait("the unmatched order", lambda: database[UNMATCHED.name].find_one({"_id": "order|open"}))
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
        outlast_delay()
        foreign.produce(ORDERS.topic, order(name, time))
        foreign.produce(PAYMENTS.topic, payment(name, name, time))
        assert foreign.flush(30) == 0
        weakened.wait("lag 0", weakened.caught_up)
    assert facts_lost(weakened)


def facts_lost(environment: Environment) -> bool:
    """Returns whether ``tandem verify`` misses facts."""
    report = json.loads(environment.tandem("verify", "--json", "--wait", "30", code=1).stdout)
    return any((problem["kind"], problem["where"]) == ("lost", FACTS.name) for problem in report["problems"])


@pytest.mark.on_demand
@pytest.mark.parametrize("weakened", [SECOND_DRIVER], ids=[SECOND_DRIVER.name], indirect=True)
def test_without_it_a_second_driver_doubles_dead_letters(weakened: Environment) -> None:
    """With it, `test_a_second_driver_on_the_same_checkpoint` finds none twice."""
    two_drivers(weakened, first_ends=False)
    report = json.loads(weakened.tandem("verify", "--json", "--wait", "30", code=1).stdout)
    assert SECOND_DRIVER.verdict in {problem["kind"] for problem in report["problems"]}, report
