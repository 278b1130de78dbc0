"""An aggregation with a lookup, on real programs: verified, repaired, and the same after a batch was done again."""

from __future__ import annotations

import json
import os
import signal
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson.decimal128 import Decimal128
from confluent_kafka import Producer
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition

from tandem.engine.declare.control_record import CONTROL_KEY, control_value, sender_of
from tandem.pipelines.segment_revenue.streams import CUSTOMER_SEGMENTS, REVENUE, SALES
from tests import STATE
from tests.environment import Environment

BASE = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def revenue() -> Iterator[Environment]:
    """The pipeline, with patience for quiet topics: what time it is, the tests say."""
    extra = (("TANDEM_PIPELINE", "segment_revenue"), ("TANDEM_JOB__IDLE_TIMEOUT_SECONDS", "3600"))
    environment = Environment(STATE / "revenue", 29760, extra)
    with environment.started():
        yield environment


def verified(environment: Environment, code: int = 0) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(environment.tandem("verify", "--json", code=code).stdout)
    return report


def documents(environment: Environment) -> dict[str, dict[str, Any]]:
    with environment.database() as database:
        return {document["_id"]: document for document in database[REVENUE.name].find()}


def send(environment: Environment, *sales: tuple[str, float, int], until: float | None = None) -> None:
    """Sends sales (id, minute, amount) of customer c, then moves the watermark to five minutes before ``until``."""
    producer = Producer({"bootstrap.servers": environment.bootstrap})
    for identity, minute, amount in sales:
        time = (BASE + timedelta(minutes=minute)).isoformat()
        sale = {"sale_id": identity, "sold_at": time, "customer_id": "c", "amount": amount}
        producer.produce(SALES.topic, json.dumps(sale).encode())
    assert producer.flush(30) == 0
    environment.wait("lag 0", environment.caught_up)
    if until is None:
        return
    value = control_value(sender_of("ecommerce_mart", "segment_revenue"), BASE + timedelta(minutes=until))
    producer.produce(SALES.topic, value, CONTROL_KEY)
    assert producer.flush(30) == 0
    wanted = (BASE + timedelta(minutes=until - 5)).isoformat().replace("+00:00", "Z")
    environment.wait("the watermark", lambda: (environment.status()["job"]["watermark"] or "") >= wanted)


def shown(environment: Environment) -> dict[str, Any]:
    """Returns what the dashboard has counted of the stream."""
    with urllib.request.urlopen(f"http://127.0.0.1:{environment.first_port + 5}/api/now", timeout=5) as answer:
        account = json.load(answer)["account"]
    return {name: account["streams"]["sales"][name] for name in ("matched", "rest")} if account else {}


def repeated(report: dict[str, Any]) -> int:
    return int(report["total"]["repeated"])


def revenue_of(environment: Environment, minute: int) -> dict[str, tuple[int, Decimal128]]:
    start = int((BASE + timedelta(minutes=minute)).timestamp())
    found = documents(environment).values()
    return {d["segment"]: (d["sales"], d["revenue"]) for d in found if d["_id"].startswith(f"{start}|")}


def test_samples_are_accounted_for_and_each_record_is_counted_once(revenue: Environment) -> None:
    revenue.tandem("produce", "--count", "3000", "--close")
    report = verified(revenue)
    assert report["ok"]
    assert report["total"]["counted"] > 2500
    assert report["total"]["dead"] > 0
    assert report["total"]["waiting"] == 0
    job = revenue.status()["job"]
    assert job["input_rows_total"] == report["total"]["consumed"]
    assert job["dead_letters_total"] == report["total"]["dead"]
    revenue.wait(
        "the dashboard", lambda: shown(revenue) == {"matched": report["total"]["counted"], "rest": repeated(report)}
    )
    # The segments of the plan, and of who is in none.
    assert {document["segment"] for document in documents(revenue).values()} >= {"business", "a|b\\c", "unknown"}


def test_a_batch_done_again_changes_nothing_although_the_lookup_has_changed(revenue: Environment) -> None:
    versions = [{"_id": "c|0", "customer_id": "c", "segment": "gold", "valid_from": BASE}]
    with revenue.database() as database:
        database[CUSTOMER_SEGMENTS.collection].insert_many(versions)
    send(revenue, ("a", 0.5, 5), ("a", 0.5, 5), ("b", 0.9, 7), ("c", 1.1, 11), until=10)
    assert revenue_of(revenue, 0) == {"gold": (2, Decimal128("12"))}
    before = documents(revenue)
    # From here on, as the contract wants it; what the last batches are about is earlier.
    with revenue.database() as database:
        since = BASE + timedelta(minutes=20)
        database[CUSTOMER_SEGMENTS.collection].insert_one(
            {"_id": "c|20", "customer_id": "c", "segment": "silver", "valid_from": since}
        )
    revenue.do_last_batch_again(revenue.home / "embedded" / "checkpoint" / "segment_revenue")
    assert documents(revenue) == before
    send(revenue, ("d", 19.99, 1), ("e", 20, 2), until=40)
    assert revenue_of(revenue, 19) == {"gold": (1, Decimal128("1"))}
    assert revenue_of(revenue, 20) == {"silver": (1, Decimal128("2"))}
    assert verified(revenue)["ok"]


def test_late_sales_are_counted_as_late_and_reconciled(revenue: Environment) -> None:
    send(revenue, ("f", 50.5, 100), until=60)
    before = revenue.status()["job"]["late_total"]
    send(revenue, ("late-1", 50.6, 10), ("late-1", 50.6, 10), ("late-2", 51, 20), ("open", 58, 1))
    revenue.wait("late", lambda: revenue.status()["job"]["late_total"] == before + 3)
    report = verified(revenue)
    assert report["ok"]
    assert report["total"]["late"] >= 2
    assert revenue_of(revenue, 50) == {"silver": (1, Decimal128("100"))}

    done = json.loads(revenue.tandem("reconcile", "--json").stdout)
    assert done["replaced"][REVENUE.name] >= 1
    assert done["inserted"][REVENUE.name] >= 1
    assert done["removed"] == {REVENUE.name: 0}
    assert revenue_of(revenue, 50) == {"silver": (2, Decimal128("110"))}
    assert revenue_of(revenue, 51) == {"silver": (1, Decimal128("20"))}
    # The window that is still open is the job's.
    assert revenue_of(revenue, 58) == {}
    after = verified(revenue)
    assert after["ok"]
    assert after["total"]["late"] == 0
    again = json.loads(revenue.tandem("reconcile", "--json").stdout)
    assert (again["replaced"][REVENUE.name], again["inserted"][REVENUE.name]) == (0, 0)


@pytest.mark.on_demand
def test_a_replay_makes_the_same_minutes(revenue: Environment) -> None:
    replayed = json.loads(revenue.tandem("replay", "--since", "1d", "--into", "v2", "--json").stdout)
    assert replayed["verify"]["ok"]
    assert replayed["inserted"] == {f"{REVENUE.name}_v2": len(documents(revenue))}
    (found,) = json.loads(revenue.tandem("diff", "--with", "v2", "--json").stdout).values()
    assert (found["equal"], found["differing"], found["only_old"], found["only_new"]) == (found["old"], 0, 0, 0)
    again = json.loads(revenue.tandem("replay", "--since", "1d", "--json", "--no-verify").stdout)
    assert [again[what] for what in ("inserted", "replaced", "removed")] == [{REVENUE.name: 0}] * 3


@pytest.mark.on_demand
def test_a_correction_of_the_past_is_found_and_applied(revenue: Environment) -> None:
    with revenue.database() as database:
        database[CUSTOMER_SEGMENTS.collection].update_one({"_id": "c|0"}, {"$set": {"segment": "bronze"}})
    report = verified(revenue, code=1)
    assert {problem["kind"] for problem in report["problems"]} & {"lost", "invented", "doubled"}
    done = json.loads(revenue.tandem("reconcile", "--json").stdout)
    assert done["removed"][REVENUE.name] == done["inserted"][REVENUE.name] > 0
    assert revenue_of(revenue, 0) == {"bronze": (2, Decimal128("12"))}
    assert verified(revenue)["ok"]


def test_no_minute_ever_changes_although_the_driver_is_killed(revenue: Environment) -> None:
    """SIGKILL while minutes close one after another: what was written is written again, the same."""
    with revenue.database() as database, database[REVENUE.name].watch(max_await_time_ms=500) as stream:
        with revenue.start("produce", "--count", "12000", "--rate", "600", "--mix", "late=0", "--close") as producing:
            before = revenue.status()["job"]
            first = revenue.wait("a first minute", stream.try_next)
            os.kill(int(before["pid_or_id"]), signal.SIGKILL)
            output, _ = producing.communicate(timeout=300)
        assert producing.returncode == 0, output
        report = verified(revenue)
        assert report["ok"]
        assert report["total"]["waiting"] == 0
        assert revenue.status()["job"]["pid_or_id"] != before["pid_or_id"]
        contents: dict[str, list[dict[str, Any]]] = {}
        change = first
        while change:
            assert change["operationType"] in ("insert", "replace")
            contents.setdefault(change["documentKey"]["_id"], []).append(change["fullDocument"])
            change = stream.try_next()
    assert len(contents) > 100
    assert all(document == written[0] for written in contents.values() for document in written)


def test_a_pipeline_that_does_not_run_here_is_not_mixed_with_the_one_that_does(revenue: Environment) -> None:
    done = revenue.tandem("--pipeline", "orders_payments", "reconcile", code=3)
    assert "runs segment_revenue, not orders_payments" in done.stderr


@pytest.mark.on_demand
@pytest.mark.parametrize("part", [0.5, 1.0])
def test_minutes_whose_sales_retention_has_removed_are_left_alone(revenue: Environment, part: float) -> None:
    """What is left in the topic would make less revenue of them, or none."""
    before = documents(revenue)
    consumer = KafkaConsumer(bootstrap_servers=revenue.bootstrap)
    partitions = [TopicPartition(SALES.topic, number) for number in consumer.partitions_for_topic(SALES.topic)]
    ends = consumer.end_offsets(partitions)
    consumer.close()
    with KafkaAdminClient(bootstrap_servers=revenue.bootstrap) as admin:
        admin.delete_records({partition: int(end * part) for partition, end in ends.items()})
    done = json.loads(revenue.tandem("reconcile", "--json").stdout)
    assert [done[what][REVENUE.name] for what in ("inserted", "replaced", "removed")] == [0, 0, 0]
    assert documents(revenue) == before
    refused = revenue.tandem("replay", "--since", "1d", code=2).stderr
    assert "Kafka has removed records that the replay needs" in refused or part == 1.0
