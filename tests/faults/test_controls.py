"""Negative controls: each protection is switched off in a copy of the source, and then the same judgement must fail."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from confluent_kafka import Producer

from tandem.pipelines.orders_payments.streams import ORDERS, UNMATCHED
from tests.environment import Environment
from tests.faults.conftest import ROOT, STATE, environment_of


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
    """

    name: str
    file: str
    line: str
    without: str
    verdict: str
    in_ci: bool = False


CONTROLS = (
    Control(
        "an _id of the event's identity only",
        "pipelines/orders_payments/transform.py",
        'F.concat(_escaped("order_id"), F.lit("|"), _escaped("payment_id")).alias("_id")',
        'F.concat(F.lit("x"), F.uuid()).alias("_id")',
        "invented",
        in_ci=True,
    ),
    Control("dead letters", "engine/write.py", "            if dead:\n", "            if False:\n", "lost"),
    Control(
        "the look for dead letters that a replay finds written",
        "engine/dead_letter.py",
        "        if replayed:\n",
        "        if False:\n",
        "doubled",
    ),
    Control(
        "strict parsing",
        "engine/parse.py",
        'return (value != "") & (~may_be_other | (json_type(json_field(name)) == VARIANT_TYPE[kind]))',
        "return value.isNotNull()",
        "lost",
    ),
)
PACEMAKER = Control("the pacemaker", "engine/job.py", "    pacemaker.start()\n", "    pass\n", "")


@pytest.fixture
def weakened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Environment]:
    control: Control = request.param
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    file = tmp_path / "src" / "tandem" / control.file
    text = file.read_text("utf-8")
    assert text.count(control.line) == 1, f"{control.file} has no such line any more"
    file.write_text(text.replace(control.line, control.without), "utf-8")
    base = environment_of("embedded")
    # Where topics are left alone, the last batch is the last that was sent.
    idle = "5" if control is PACEMAKER else "3600"
    extra = (("TANDEM_JOB__IDLE_TIMEOUT_SECONDS", idle), ("PYTHONPATH", str(tmp_path / "src")))
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
    weakened.wait("lag 0", lambda: weakened.status()["job"]["lag"] == 0)
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
    weakened.wait("lag 0", lambda: weakened.status()["job"]["lag"] == 0)
    with weakened.database() as database, pytest.raises(AssertionError, match="the unmatched order"):
        weakened.wait("the unmatched order", lambda: database[UNMATCHED].find_one({"_id": "order|alone"}), 20)
