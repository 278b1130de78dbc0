"""The whole loop: producers -> Kafka -> Spark join -> MongoDB, and what must survive."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.objectid import ObjectId
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from tandem.pipelines.orders_payments.streams import FACTS, ORDERS, PAYMENTS, UNMATCHED
from tandem.verify.mongo_documents import MongoDocuments, Range
from tandem.verify.verify import verify
from tests import STATE
from tests.environment import Environment
from tests.foreign import milliseconds, order, payment
from tests.readme import use_mongodb

# As sent; a date that the Julian calendar calls 29 February, one that it lacks, and the far ends of what is accepted.
DATES = (
    "0001-01-01T00:00:00+14:00",
    "0001-01-01T00:00:00Z",
    "1500-03-10T12:00:00Z",
    "1582-10-10T00:00:00.123Z",
    "1883-11-18T17:00:00Z",
    "1899-12-31T23:59:59.999Z",
    "9999-12-31T23:59:59.999-14:00",
)
# More than the sink calls few.
MANY = 12_000
NUMBERS: CodecOptions[dict[str, Any]] = CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_MS)


def test_a_users_client_connects_by_the_documented_address(running: Environment) -> None:
    assert running.status()["mongo"]["uri"] == use_mongodb(running.first_port + 2)


def test_a_foreign_producer_gets_exactly_what_the_contract_says(running: Environment) -> None:
    """Another client, no keys, six partitions, odd ids, many payments on one order; one topic goes quiet."""
    run = uuid.uuid4().hex[:8]
    # Older than the outage tolerance, the lateness and the match window together.
    past = datetime.now(UTC) - timedelta(hours=2)
    odd = [f"$set-{run}", f"a.b-{run}", f"x|y-{run}", f"x\\|y-{run}", f"žluť 🐎 {run}", "l" * 5000 + run]
    foreign = Producer({"bootstrap.servers": running.bootstrap})
    for position, order_id in enumerate(odd):
        foreign.produce(PAYMENTS.topic, payment(f"early|{position}-{run}", order_id, past - timedelta(minutes=29)))
        foreign.produce(ORDERS.topic, order(order_id, past, note={"extra": True}))
        foreign.produce(ORDERS.topic, order(order_id, past, note={"extra": True}))
        for number in range(200 if position == 0 else 2):
            foreign.produce(PAYMENTS.topic, payment(f"p\\{position}-{number}-{run}", order_id, past))
    foreign.produce(PAYMENTS.topic, payment(f"too-far-{run}", odd[0], past + timedelta(minutes=30, seconds=1)))
    foreign.produce(PAYMENTS.topic, payment(f"just-near-{run}", odd[0], past + timedelta(minutes=30)))
    foreign.produce(ORDERS.topic, order(f"alone-{run}", past, created_at=DATES[0]))
    foreign.produce(ORDERS.topic, b"{not json")
    foreign.produce(ORDERS.topic, order(f"future-{run}", datetime.now(UTC) + timedelta(days=400)))
    foreign.produce(ORDERS.topic, None)
    assert foreign.flush(30) == 0

    running.wait("lag 0", running.caught_up)
    # Nothing more is sent, and still the order that nobody paid is written: quiet topics do not hold it back.
    with running.database() as database:
        unmatched = database.get_collection(UNMATCHED.name, codec_options=NUMBERS)
        alone = running.wait("the unmatched order", lambda: unmatched.find_one({"_id": f"order|alone-{run}"}))
        assert int(alone["created_at"]) == milliseconds(DATES[0])
        running.wait("the far payment", lambda: database[UNMATCHED.name].find_one({"_id": f"payment|too-far-{run}"}))
        assert database[FACTS.name].count_documents({"order_id": odd[0]}) == 202
        ids = {document["_id"] for document in database[FACTS.name].find({"order_id": {"$in": [odd[2], odd[3]]}})}
    assert f"x\\|y-{run}|early\\|2-{run}" in ids
    assert f"x\\\\\\|y-{run}|early\\|3-{run}" in ids
    report = json.loads(running.tandem("verify", "--json").stdout)
    assert report["ok"], report


def test_a_backlog_after_an_outage_of_all_topics_is_not_late(running: Environment) -> None:
    """Upstream is cut off, all topics are quiet, and then what happened meanwhile is delivered at once."""
    run, now = uuid.uuid4().hex[:8], datetime.now(UTC)
    foreign = Producer({"bootstrap.servers": running.bootstrap})
    foreign.produce(ORDERS.topic, order(f"before-{run}", now - timedelta(minutes=26)))
    assert foreign.flush(30) == 0
    running.wait("lag 0", running.caught_up)
    # Three times as long as a topic may be quiet: a control record that was dated now would come within it.
    threading.Event().wait(15)
    late = running.status()["job"]["late_total"]
    minutes = [25, 20, 15, 10, 7, 5, 3, 1]
    for minute in minutes:
        foreign.produce(ORDERS.topic, order(f"{minute}-{run}", now - timedelta(minutes=minute)))
        foreign.produce(
            PAYMENTS.topic, payment(f"p-{minute}-{run}", f"{minute}-{run}", now - timedelta(minutes=minute))
        )
    assert foreign.flush(30) == 0
    running.wait("lag 0", running.caught_up)
    wanted = {f"{minute}-{run}" for minute in minutes}
    with running.database() as database:
        assert {each["order_id"] for each in database[FACTS.name].find({"order_id": {"$in": list(wanted)}})} == wanted
    assert running.status()["job"]["late_total"] == late
    report = json.loads(running.tandem("verify", "--json").stdout)
    assert report["ok"], report


def test_a_foreign_producer_may_compress_as_it_likes(running: Environment) -> None:
    run, past = uuid.uuid4().hex[:8], datetime.now(UTC) - timedelta(minutes=1)
    codecs = ("gzip", "snappy", "lz4", "zstd")
    for codec in codecs:
        foreign = Producer({"bootstrap.servers": running.bootstrap, "compression.type": codec, "linger.ms": 100})
        for number in range(50):
            foreign.produce(ORDERS.topic, order(f"{codec}-{number}-{run}", past))
            foreign.produce(PAYMENTS.topic, payment(f"p-{codec}-{number}-{run}", f"{codec}-{number}-{run}", past))
        assert foreign.flush(30) == 0
    running.wait("lag 0", running.caught_up)
    report = json.loads(running.tandem("verify", "--json").stdout)
    assert report["ok"], report
    with running.database() as database:
        assert database[FACTS.name].count_documents({"order_id": {"$regex": f"-{run}$"}}) == 50 * len(codecs)


def test_all_is_in_the_folder_that_was_named(running: Environment) -> None:
    """Java, too, reads its name as it is meant, and unpacks there what it has just decompressed with."""
    assert [path.name for path in STATE.glob("zo*")] == ["zoë"]
    home = running.home / "embedded"
    assert (home / "kafka" / "meta.properties").is_file()
    assert any((home / "checkpoint" / "orders_payments" / "commits").iterdir())
    assert [path for path in (home / "conf" / "kafka-tmp").iterdir() if path.suffix == ".so"]


def test_the_doctor_finds_all_in_order(running: Environment) -> None:
    findings = {each["check"]: each for each in json.loads(running.tandem("doctor", "--json").stdout)}
    assert {check for check, each in findings.items() if each["state"] != "good"} == {"ports"}
    assert findings["MongoDB"]["value"].endswith("primary of rs0 with 1 member")


def test_the_job_tells_which_connectors_it_really_has(running: Environment) -> None:
    lines = running.tandem("parity", code=None).stdout.splitlines()
    told = {file: (digest, wanted) for file, digest, wanted in (line.split("\t") for line in lines) if ".jar" in file}
    assert len(told) == 5
    assert all(digest == wanted for digest, wanted in told.values()), told


def test_a_replayed_batch_changes_nothing(running: Environment) -> None:
    """The last commit is deleted, so the job does its last batch again: MongoDB stays the same byte for byte."""
    running.tandem("produce", "--count", "500", "--close")
    running.tandem("verify")
    # Not newer than what closed the windows: these move no watermark, so that theirs is the last batch.
    recent = datetime.now(UTC) - timedelta(minutes=3)
    foreign = Producer({"bootstrap.servers": running.bootstrap})
    for number in range(100):
        run = uuid.uuid4().hex
        foreign.produce(ORDERS.topic, order(run, recent))
        foreign.produce(PAYMENTS.topic, payment(f"{number}-{run}", run, recent))
        foreign.produce(PAYMENTS.topic, b"malformed " + run.encode())
    assert foreign.flush(30) == 0
    running.wait("lag 0", running.caught_up)
    before = running.contents()
    running.do_last_batch_again()
    assert running.contents() == before
    # verify compares every document's content and finds dead letters that are there twice.
    running.tandem("verify")


def test_the_driver_is_killed_in_mid_run(running: Environment) -> None:
    """SIGKILL to the driver while records flow: it comes back by itself, nothing is lost or doubled."""
    with running.start("produce", "--count", "20000", "--event-time", "real", "--rate", "700", "--close") as producing:
        before = running.status()["job"]
        running.wait("records read", lambda: running.status()["job"]["input_rows_total"] > before["input_rows_total"])
        os.kill(int(before["pid_or_id"]), signal.SIGKILL)
        output, _ = producing.communicate(timeout=300)
    assert producing.returncode == 0, output

    def another_driver() -> bool:
        job = running.status()["job"]
        return job["state"] == "running" and job["pid_or_id"] != before["pid_or_id"]

    running.wait("another driver", another_driver, 180)
    running.tandem("verify")


def test_the_dead_letter_has_the_original_bytes_and_the_reason(running: Environment) -> None:
    from tandem.verify.topics import TopicReader

    foreign = Producer({"bootstrap.servers": running.bootstrap})
    marker = uuid.uuid4().hex.encode()
    sent: list[Any] = []
    foreign.produce(
        ORDERS.topic,
        b"\xff" + marker,
        headers={"trace": b"abc"},
        on_delivery=lambda _, message: sent.append((message.partition(), message.offset())),
    )
    assert foreign.flush(30) == 0
    running.wait("lag 0", running.caught_up)
    partition, offset = sent[0]
    with TopicReader(running.settings.kafka, "orders_payments_dead_letter_v1") as reader:
        letters = [r for r in reader.read(reader.beginnings(), reader.ends()) if r.value == b"\xff" + marker]
    assert len(letters) == 1
    headers = dict(letters[0].headers)
    assert letters[0].key == f"{ORDERS.topic}-{partition}-{offset}".encode()
    assert headers["error"] == b"not_utf8"
    assert headers["trace"] == b"abc"
    assert headers["source_offset"] == str(offset).encode()


@pytest.mark.skipif(not shutil.which("kcat"), reason="there is no kcat on PATH, which alone sends such keys")
def test_a_headers_key_that_is_not_utf8_keeps_nobody_from_the_topics(running: Environment) -> None:
    marker, past = uuid.uuid4().hex, datetime.now(UTC) - timedelta(minutes=1)
    foreign = ("kcat", "-P", "-b", running.bootstrap, "-H", b"\xff\xc3(=1")
    for topic, value in ((ORDERS.topic, order(marker, past)), (ORDERS.topic, marker.encode())):
        subprocess.run((*foreign, "-t", topic), input=value, check=True, timeout=30)
    running.wait("lag 0", running.caught_up)
    report = json.loads(running.tandem("verify", "--json").stdout)
    assert report["ok"], report


@contextmanager
def orders_topic_with(running: Environment, configs: dict[str, str]) -> Iterator[None]:
    """Changes the configuration of the orders' topic for as long as the block lasts."""
    admin = AdminClient({"bootstrap.servers": running.bootstrap})

    def alter(operation: AlterConfigOpType) -> None:
        entries = [ConfigEntry(name, value, incremental_operation=operation) for name, value in configs.items()]
        topic = ConfigResource(ResourceType.TOPIC, ORDERS.topic, incremental_configs=entries)
        for done in admin.incremental_alter_configs([topic]).values():
            done.result(30)

    alter(AlterConfigOpType.SET)
    try:
        yield
    finally:
        alter(AlterConfigOpType.DELETE)


def test_a_compacted_topic_cannot_be_verified_and_is_warned_of(running: Environment) -> None:
    with orders_topic_with(running, {"cleanup.policy": "compact,delete"}):
        verified = running.tandem("verify", code=1)
        doctor = json.loads(running.tandem("doctor", "--json", code=None).stdout)
        up = running.tandem("up", "--wait")
    told = f"Kafka compacts {ORDERS.topic}: `tandem verify` cannot account for records that Kafka has removed"
    assert f"error: {told}" in verified.stderr
    assert [each["value"] for each in doctor if each["check"] == "Kafka's topics"] == [told]
    assert f"warning: {told}" in up.stderr
    running.tandem("verify")


def test_dates_are_stored_as_sent(running: Environment) -> None:
    """In facts that the job writes, and in those that reconcile inserts."""
    run, recent = uuid.uuid4().hex[:8], datetime.now(UTC) - timedelta(minutes=1)
    foreign = Producer({"bootstrap.servers": running.bootstrap})
    for number, date in enumerate(DATES):
        on_time, late = f"dated-{number}-{run}", f"late-{number}-{run}"
        foreign.produce(ORDERS.topic, order(on_time, recent, created_at=date))
        foreign.produce(PAYMENTS.topic, payment(f"p-{on_time}", on_time, recent))
        if date < "2":
            foreign.produce(ORDERS.topic, order(late, recent, order_date=date))
            foreign.produce(PAYMENTS.topic, payment(f"p-{late}", late, recent, payment_date=date))
    assert foreign.flush(30) == 0
    running.wait("lag 0", running.caught_up)
    running.tandem("reconcile")
    with running.database() as database:
        facts = database.get_collection(FACTS.name, codec_options=NUMBERS)

        def stored(order_id: str, field: str) -> int | None:
            document = facts.find_one({"_id": f"{order_id}|p-{order_id}"})
            return document and int(document[field])

        for number, date in enumerate(DATES):
            sent = milliseconds(date)
            assert stored(f"dated-{number}-{run}", "created_at") == sent, date
            if date < "2":
                assert stored(f"late-{number}-{run}", "order_date") == sent, date
                assert stored(f"late-{number}-{run}", "payment_date") == sent, date
    running.tandem("verify")


def test_an_open_transaction_does_not_count_until_it_ends(running: Environment) -> None:
    """The job cannot read it, so nothing waits for it. Committed, its records come in one large batch."""
    run, recent = uuid.uuid4().hex[:8], datetime.now(UTC) - timedelta(minutes=1)
    foreign = Producer({"bootstrap.servers": running.bootstrap, "transactional.id": run})
    foreign.init_transactions(30)
    foreign.begin_transaction()
    foreign.produce(ORDERS.topic, order(f"aborted-{run}", recent))
    assert foreign.flush(30) == 0
    foreign.abort_transaction(30)
    running.wait("lag 0 behind an aborted transaction", running.caught_up)

    foreign.begin_transaction()
    for number in range(MANY):
        date = DATES[number % len(DATES)]
        foreign.produce(ORDERS.topic, order(f"{number}-{run}", recent, created_at=date))
        foreign.produce(PAYMENTS.topic, payment(f"t-{number}-{run}", f"{number}-{run}", recent))
        foreign.poll(0)
    assert foreign.flush(60) == 0
    running.wait("lag 0 beside an open transaction", running.caught_up, 30)
    running.tandem("up", "--wait", timeout=60)
    running.tandem("verify")
    with running.database() as database:
        facts = database.get_collection(FACTS.name, codec_options=NUMBERS)
        paid = {"payment_id": {"$regex": f"^t-.*-{run}$"}}
        assert facts.count_documents(paid) == 0
        foreign.commit_transaction(30)
        running.wait("the facts", lambda: facts.count_documents(paid) == MANY)
        running.wait("lag 0 behind a committed transaction", running.caught_up)
        for number, date in enumerate(DATES):
            found = facts.find_one({"_id": f"{number}-{run}|t-{number}-{run}"})
            assert int(found["created_at"]) == milliseconds(date), date
        assert facts.find_one({"order_id": f"aborted-{run}"}) is None
    running.tandem("verify")


@pytest.mark.on_demand
def test_another_match_window_is_refused(running: Environment) -> None:
    """The checkpoint was begun with the old one; with that, the job resumes."""
    extra = (*running.extra, ("TANDEM_JOB__PARAMETERS__MATCH_WINDOW_SECONDS", "60"))
    other = replace(running, extra=extra)
    running.tandem("down")
    other.tandem("up", "--wait", code=None)
    words = "job.parameters.match_window_seconds is 60, but the checkpoint was begun with 1800"
    assert words in running.wait("the problem", lambda: running.status()["problem"])
    assert words in other.tandem("reconcile", code=1).stderr
    running.tandem("down")
    running.tandem("up", "--wait")
    running.tandem("verify")


def test_verify_gets_the_same_report_in_parts(running: Environment) -> None:
    running.tandem("produce", "--count", "1000", "--close")
    whole, divided = (verify(running.settings, settle_deadline_s=120, parallel_from=least) for least in (10**9, 0))
    assert whole.ok
    assert divided.to_json() == whole.to_json()
    assert divided.total["matched"] > 900
    assert not list(running.home.rglob("verify-*"))


def test_ranges_have_each_document_once(running: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tandem.verify.mongo_documents.DOCUMENTS_IN_A_RANGE", 50)
    monkeypatch.setattr("tandem.verify.mongo_documents.SAMPLED_OF_A_RANGE", 10)
    ids = [
        kind(number) for number in range(200) for kind in (str, int, lambda n: {"n": n}, lambda n: ObjectId(f"{n:024}"))
    ]
    with running.database() as database:
        database["ranges"].insert_many({"_id": each, "value": 1} for each in ids)
        documents = MongoDocuments(database)
        ranges = documents.ranges("ranges")
        found = [each for within in ranges for each, _ in documents.encoded("ranges", within)]
        database["ranges"].drop()
        assert documents.ranges("ranges") == [Range()]
    assert len(ranges) == 16
    assert sorted(map(repr, found)) == sorted(map(repr, ids))


def test_topics_where_a_producer_dates_records_are_named_and_read(running: Environment) -> None:
    """Other units, and no time at all, neither stop the job nor let a replay write dead letters twice."""
    run, recent = uuid.uuid4().hex[:8], datetime.now(UTC) - timedelta(minutes=1)
    foreign = Producer({"bootstrap.servers": running.bootstrap})
    dated = {"message.timestamp.type": "CreateTime", "message.timestamp.after.max.ms": str(2**63 - 1)}
    with orders_topic_with(running, dated):
        for number, at in enumerate((1, 1_795_000_000_000_000, 9_000_000_000_000_000)):
            foreign.produce(ORDERS.topic, order(f"clock-{number}-{run}", recent), timestamp=at)
            foreign.produce(ORDERS.topic, b"malformed " + run.encode(), timestamp=at)
            foreign.produce(PAYMENTS.topic, payment(f"p-clock-{number}-{run}", f"clock-{number}-{run}", recent))
        assert foreign.flush(30) == 0
        running.wait("lag 0", running.caught_up)
        before = running.contents()
        running.do_last_batch_again()
        assert running.contents() == before
        up = running.tandem("up", "--wait").stderr
        assert f"warning: {ORDERS.topic}: message.timestamp.type is CreateTime" in up
        assert f"--entity-name {ORDERS.topic} --add-config message.timestamp.type=LogAppendTime" in up
        findings = {each["check"]: each for each in json.loads(running.tandem("doctor", "--json", code=None).stdout)}
        assert findings["record times"]["state"] == "bad"
        assert findings["Kafka's clock"]["state"] == "good"
        with running.database() as database:
            assert database[FACTS.name].count_documents({"order_id": {"$regex": f"^clock-.*-{run}$"}}) == 2
        running.tandem("verify")


def test_a_removed_state_folder_ends_everything(running: Environment) -> None:
    """The last test of this environment: it takes it away, and leaves nothing in the way of the next one."""
    assert running.processes()
    # What runs may still write into it meanwhile.
    shutil.rmtree(running.home, ignore_errors=True)
    running.wait("all processes to end", lambda: running.processes() == [], 15)
    shutil.rmtree(running.home, ignore_errors=True)
    assert "nothing is running here" in running.tandem("down").stderr
    findings = {each["check"]: each["state"] for each in json.loads(running.tandem("doctor", "--json").stdout)}
    assert findings["ports"] == "good"
