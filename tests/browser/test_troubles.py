"""Broken things look broken, in words and soon; the page comes back by itself."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from confluent_kafka import Producer
from playwright.sync_api import Page, expect

from tandem.pipelines.orders_payments.streams import ORDERS
from tests.browser.conftest import PICTURES
from tests.environment import Environment

# Ten seconds are promised, of the server and of the page (tests/unit/test_dashboard.py adds up what they allow
# themselves). How long it took is kept beside the picture; a busy machine may take longer.
PATIENCE_MS = 120_000


def pid(environment: Environment, service: str) -> int:
    """Returns the process of a service, once it runs."""
    file = environment.home / "embedded" / "run" / "state.json"

    def found() -> Any:
        state = json.loads(file.read_text("utf-8"))[service]
        return state["pid"] if state["state"] == "running" else None

    return int(environment.wait(f"{service} runs", found))


@contextmanager
def frozen(environment: Environment, service: str) -> Iterator[None]:
    """Stops a process as if its machine hung: its port stays open, and it does not answer."""
    process = pid(environment, service)
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


def broken(page: Page, code: str, words: str) -> None:
    began = time.monotonic()
    problem = page.locator(f".problem[data-code={code}]")
    expect(problem).to_contain_text(re.compile(words), timeout=PATIENCE_MS)
    (PICTURES / f"{code}.txt").write_text(f"said after {time.monotonic() - began:.1f} s\n")
    # Once, in the region that a screen reader reads aloud.
    expect(page.locator("#said")).to_contain_text(re.compile(words))
    page.screenshot(path=PICTURES / f"{code}.png")


def whole(page: Page) -> None:
    expect(page.locator("#link")).to_have_text("Live", timeout=PATIENCE_MS)
    expect(page.locator("#job [data-field=state]")).to_have_text("running", timeout=PATIENCE_MS)
    expect(page.locator(".problem[data-level=error]")).to_have_count(0, timeout=PATIENCE_MS)


def test_mongodb_away(page: Page, running: Environment) -> None:
    whole(page)
    with frozen(running, "mongod"):
        broken(page, "mongo", "MongoDB has not answered since")
        expect(page.locator("#job [data-field=state]")).to_have_text("unknown")
    whole(page)


def test_kafka_away(page: Page, running: Environment) -> None:
    whole(page)
    with frozen(running, "kafka"):
        broken(page, "kafka", "Kafka has not answered since")
        expect(page.locator("#job [data-field=lag]")).to_have_text("\N{EN DASH}")
    whole(page)


def test_the_job_hangs(page: Page, running: Environment) -> None:
    """The driver and its Java process stand still: nothing says so but its silence."""
    whole(page)
    group = os.getpgid(pid(running, "job"))
    os.killpg(group, signal.SIGSTOP)
    try:
        broken(page, "job", "The job has not reported for .*: it is not running, or it cannot write to MongoDB")
        expect(page.locator("#job [data-field=state]")).to_have_text("silent")
    finally:
        os.killpg(group, signal.SIGCONT)
    whole(page)


def test_the_job_is_stopped(page: Page, running: Environment) -> None:
    whole(page)
    os.kill(pid(running, "job"), signal.SIGTERM)
    broken(page, "job", "The job was stopped at")
    whole(page)


def test_the_watermark_stands_still(page: Page, running: Environment) -> None:
    """One topic brings records and the other nothing; nothing moves until the other's turn is over."""
    whole(page)
    client = Producer({"bootstrap.servers": running.bootstrap})

    def shown_after_another() -> bool:
        moment = datetime.now(UTC).isoformat()
        order = {"order_id": f"alone {moment}", "order_date": moment, "created_at": moment}
        client.produce(ORDERS.topic, json.dumps({**order, "customer_id": "c", "amount": 1}).encode())
        client.flush(10)
        return page.locator(".problem[data-code=watermark]").count() > 0

    running.wait("the watermark to be seen standing still", shown_after_another, 180)
    broken(page, "watermark", "The watermark has not advanced for .*: .* has no newer events")


def test_the_page_comes_back_after_the_server_restarts(page: Page, running: Environment) -> None:
    whole(page)
    facts = page.locator("[data-tile=results] b").inner_text()
    os.kill(pid(running, "dashboard"), signal.SIGKILL)
    expect(page.locator("#link")).to_contain_text("Disconnected", timeout=PATIENCE_MS)
    page.screenshot(path=PICTURES / "disconnected.png")
    expect(page.locator("#link")).to_have_text("Live", timeout=PATIENCE_MS)
    expect(page.locator("[data-tile=results] b")).to_have_text(facts, timeout=PATIENCE_MS)
    # The rest has taken no notice: the job is behind for a moment at most, when a quiet topic has just got a record.
    running.wait("ready", lambda: running.status()["ready"], 30)
