"""A changed transform: a new version beside the old one, compared with it, and the same collections again."""

from __future__ import annotations

import json
import re
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from kafka import KafkaAdminClient, TopicPartition
from pymongo import MongoClient

from tandem.engine.declare.replay_range import ReplayRange, record_id
from tandem.engine.declare.stream import REPLAY_COLLECTION
from tandem.scaffold import write
from tests import STATE
from tests.environment import Environment

PIPELINE = "parcels"
ANSWERED, UNANSWERED = f"{PIPELINE}_answered", f"{PIPELINE}_unanswered"
REQUESTS = f"{PIPELINE}_requests_v1"
REAL = ("--event-time", "real", "--mix", "late=0")


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return write(PIPELINE, tmp_path / "pipelines").folder


@pytest.fixture
def running(own: Path) -> Iterator[Environment]:
    extra = (
        ("TANDEM_PIPELINE", PIPELINE),
        ("TANDEM_PIPELINES_DIR", str(own.parent)),
        # However slow the machine: no topic counts as quiet between two commands, or its watermark would be now.
        ("TANDEM_JOB__IDLE_TIMEOUT_SECONDS", "600"),
        # A replay reads the records of this time before its range, too.
        ("TANDEM_JOB__MAX_CLOCK_SKEW_SECONDS", "1"),
    )
    environment = Environment(STATE / "replay", 29760, extra)
    with environment.started():
        yield environment


@contextmanager
def database_of(environment: Environment) -> Iterator[Any]:
    with MongoClient(f"mongodb://127.0.0.1:{environment.first_port + 2}/?directConnection=true") as client:
        yield client[PIPELINE]


def documents(environment: Environment, *suffix: str) -> dict[str, dict[str, Any]]:
    with database_of(environment) as database:
        names = ["_".join((name, *suffix)) for name in (ANSWERED, UNANSWERED)]
        return {name: {each["_id"]: each for each in database[name].find()} for name in names}


def change(own: Path) -> None:
    """Changes the transform and its oracle: answers with an error have no duration any more."""
    for file, before, after in (
        (
            "transform.py",
            r'\(F\.unix_millis\("responded_at"\) - F\.unix_millis\("requested_at"\)\)\.alias\("duration_ms"\)',
            'F.when(F.col("status") < 500, F.unix_millis("responded_at") - F.unix_millis("requested_at"))'
            '.alias("duration_ms")',
        ),
        (
            "oracle.py",
            r'return \{\*\*both, "duration_ms": (.+)\}',
            r'return {**both, "duration_ms": \1 if both["status"] < 500 else None}',
        ),
    ):
        text, number = re.subn(before, after, (own / file).read_text())
        assert number == 1, file
        (own / file).write_text(text)


def process_records(running: Environment) -> int:
    """Sends records of all classes, verifies their documents, and returns how many records the job has read."""
    classes = ("--mix", "malformed=0.01,late=0.02,unmatched=0.05")
    running.tandem("produce", "--count", "3000", "--seed", "7", "--close", *classes)
    running.wait("the job", running.caught_up)
    assert json.loads(running.tandem("verify", "--json").stdout)["ok"]
    read: int = running.status()["job"]["input_rows_total"]
    return read


def kill_in_the_middle(environment: Environment, *arguments: str) -> None:
    """Kills a replay and its driver once the driver has begun to write."""
    with database_of(environment) as database:
        record, first = database[REPLAY_COLLECTION], database[f"{ANSWERED}_v2"]
        with environment.start(*arguments) as command:
            environment.wait("the replay's first documents", lambda: first.find_one() is not None, 200)
            # First the command: it would report that its driver has ended.
            command.send_signal(signal.SIGKILL)
            for process in environment.processes():
                if "--replay" in process.cmdline():
                    process.kill()
            command.wait()
        left = [each for each in environment.processes() if "--replay" in each.cmdline()]
        psutil.wait_procs(left, timeout=20)
        assert record.find_one({"_id": record_id(PIPELINE, "v2")})["state"] == "running"


def since_minutes(minutes: int) -> tuple[str, str]:
    return "--since", (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat()


def test_a_changed_transform_beside_the_old_one(own: Path, running: Environment, tmp_path: Path) -> None:
    everything = since_minutes(5)
    assert running.tandem("replay", *everything, code=None).returncode in (2, 3)
    assert f"no replay of {PIPELINE} has written" in running.tandem("diff", "--with", "v9", code=2).stderr
    process_records(running)
    old = documents(running)

    # A new version in a copy beside it, killed in the middle.
    copy = Path(shutil.copytree(own.parent, tmp_path / "next" / own.parent.name))
    change(copy / PIPELINE)
    changed = replace(running, extra=(*running.extra, ("TANDEM_PIPELINES_DIR", str(copy))))
    into = ("replay", *everything, "--into", "v2")
    kill_in_the_middle(changed, *into)
    assert "has not ended: it is running" in changed.tandem("verify", "--into", "v2", code=2).stderr
    shown = changed.tandem(*into)
    assert "every record is accounted for" in shown.stdout
    assert re.search("^(reading the range|writing )", shown.stderr, re.MULTILINE)
    assert json.loads(changed.tandem("verify", "--into", "v2", "--json").stdout)["ok"]
    # The old version computes other documents.
    assert not json.loads(running.tandem("verify", "--into", "v2", "--json", code=1).stdout)["ok"]
    # The job has the old version even after a restart, and there are no new dead letters.
    running.tandem("submit")
    running.wait("the job", running.caught_up)
    assert documents(running) == old
    assert "doubled" not in json.dumps(json.loads(running.tandem("verify", "--json", code=None).stdout)["problems"])

    differing = {each for each, document in old[ANSWERED].items() if document["status"] >= 500}
    found = json.loads(running.tandem("diff", "--with", "v2", "--json").stdout)
    assert found[ANSWERED]["changed"] == {"duration_ms": len(differing)}
    # A replay writes the late documents that the job has dropped.
    assert found[ANSWERED]["only_old"] == 0
    assert found[ANSWERED]["equal"] == len(old[ANSWERED]) - len(differing)
    assert {each["_id"] for each in found[ANSWERED]["examples"]} <= differing
    assert found[UNANSWERED]["differing"] == 0

    # The negative control of the verification: it finds what a replay would have left out.
    with database_of(running) as database:
        gone = database[f"{ANSWERED}_v2"].find_one_and_delete({"_id": {"$in": [*old[ANSWERED]]}})
    assert "lost" in changed.tandem("verify", "--into", "v2", code=1).stdout
    named = running.tandem("diff", "--with", "v2", "--only-old").stdout.splitlines()
    assert [json.loads(each) for each in named] == [{"collection": ANSWERED, "_id": gone["_id"]}]

    # Collections of somebody else.
    with database_of(running) as database:
        database[f"{ANSWERED}_mine"].insert_one({"_id": "a"})
    refused = running.tandem("replay", *everything, "--into", "mine", code=2).stderr
    assert f"{ANSWERED}_mine has documents, and no replay of {PIPELINE} has written them" in refused


@pytest.mark.on_demand
def test_a_range_into_the_same_collections_and_a_part_of_the_records(own: Path, running: Environment) -> None:
    everything = since_minutes(5)
    read = process_records(running)
    old = documents(running)

    # The same version into the same collections, beside the job that gets further records.
    middle = datetime.now(UTC)
    with running.start("produce", "--count", "0", "--rate", "40", *REAL) as producing:
        running.wait("the first real event", lambda: running.status()["job"]["input_rows_total"] > read)
        done = json.loads(running.tandem("replay", *everything, "--json", "--no-verify").stdout)
        producing.send_signal(signal.SIGINT)
        producing.wait(60)
    assert done["records"]["requests"]["rejected"] > 0
    assert done["replaced"][ANSWERED] >= len(old[ANSWERED]) - done["inserted"][ANSWERED]
    again = documents(running)
    for name, before in old.items():
        assert before.items() <= again[name].items() or name == UNANSWERED
    # The late ones that the job has dropped have a document now, as after `tandem reconcile`.
    assert json.loads(running.tandem("verify", "--json").stdout)["ok"]
    old = documents(running)

    # A new version of everything differs from it in what was changed only.
    change(own)
    running.tandem("replay", *everything, "--into", "v2")
    differing = {each for each, document in old[ANSWERED].items() if document["status"] >= 500}
    found = json.loads(running.tandem("diff", "--with", "v2", "--json").stdout)
    assert found[ANSWERED]["changed"] == {"duration_ms": len(differing)}
    assert (found[ANSWERED]["only_old"], found[ANSWERED]["only_new"]) == (0, 0)
    assert (found[UNANSWERED]["differing"], found[UNANSWERED]["only_old"], found[UNANSWERED]["only_new"]) == (0, 0, 0)
    later = ("--since", middle.isoformat(), "--margin", "0")
    assert "this range does not have" in running.tandem("replay", *later, "--into", "v2", code=2).stderr

    # A part of the records: what they do not decide has no document.
    half = ("--since", datetime.now(UTC).isoformat(), "--margin", "0")
    assert "no records in this range" in running.tandem("replay", *half, "--into", "v3", code=2).stderr
    running.tandem("produce", "--count", "500", "--rate", "200", "--seed", "8", *REAL)
    running.wait("the job", running.caught_up)
    part = json.loads(running.tandem("replay", *half, "--into", "v3", "--json").stdout)
    assert part["verify"]["ok"]
    assert 0 < part["records"]["requests"]["events"] < 1000
    # The job still runs, and with the new version it replaces the old documents.
    running.tandem("submit")
    running.tandem("replay", *everything)
    assert all("duration_ms" not in each for each in documents(running)[ANSWERED].values() if each["status"] >= 500)

    # Kafka removes records: first all but one in front of that part, and then the rest.
    with database_of(running) as database:
        span = ReplayRange.parse(database[REPLAY_COLLECTION].find_one({"_id": record_id(PIPELINE, "v3")})["range"])
    starts = {TopicPartition(REQUESTS, int(number)): first for number, first in span.starts(REQUESTS).items()}
    assert max(starts.values()) > 1
    with KafkaAdminClient(bootstrap_servers=running.bootstrap) as admin:
        admin.delete_records({each: first - 1 for each, first in starts.items() if first > 1})
        refused = running.tandem("replay", *everything, "--into", "v4", code=2).stderr
        assert "Kafka has removed records that the replay needs" in refused
        kept = running.tandem("replay", *half, "--into", "v3")
        assert "every record is accounted for" in kept.stdout
        assert "producers date the records" not in kept.stderr
        admin.delete_records(dict.fromkeys(starts, -1))
    refused = running.tandem("replay", *half, "--into", "v4", code=2).stderr
    assert f"the oldest records in {REQUESTS} are unknown" in refused
