"""The page as a person sees it: empty, while records flow, by keyboard, in both colours, on a phone."""

from __future__ import annotations

import json
import re
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from playwright.sync_api import Browser, Page, expect

from tandem.pipelines.orders_payments.streams import FACTS, ORDERS, PAYMENTS
from tests.browser.conftest import PICTURES
from tests.environment import Environment

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text("utf-8")
LOOKS = [("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390)]
PATIENCE_MS = 90_000


def number(page: Page, place: str) -> int:
    text = page.locator(place).inner_text().replace(",", "")
    return int(text) if text.isdigit() else -1


def balance(page: Page) -> dict[str, int]:
    """Returns the last column of the balance, as the page shows it."""
    rows = page.locator("#account tbody tr").all()
    cells = {row.get_attribute("data-row"): row.locator("td").last.inner_text() for row in rows}
    return {str(name): int(text.replace(",", "") or -1) for name, text in cells.items()}


def event(order_id: str, **fields: Any) -> bytes:
    moment = (datetime.now(UTC) - timedelta(minutes=2)).isoformat()
    base = {"order_id": order_id, "created_at": moment, "amount": 12345}
    return json.dumps({**base, **{key: moment if value is True else value for key, value in fields.items()}}).encode()


def test_an_empty_pipeline_is_shown_as_one(page: Page, running: Environment) -> None:
    expect(page.locator("#link")).to_have_text("Live")
    expect(page.locator("#profile")).to_have_text("embedded")
    expect(page.locator("#empty")).to_be_visible()
    expect(page.locator("#job [data-field=state]")).to_have_text("running")
    expect(page.locator("[data-tile=results] b")).to_have_text("0")
    expect(page.locator("#newest tbody")).to_have_text("No facts yet.")
    expect(page.locator(".problem")).to_have_count(0)
    page.screenshot(path=PICTURES / "empty.png", full_page=True)


def test_the_page_fills_and_its_numbers_are_those_of_mongodb_and_verify(page: Page, running: Environment) -> None:
    running.tandem("produce", "--count", "3000", "--close")
    report = json.loads(running.tandem("verify", "--json").stdout)
    assert report["ok"], report
    with running.database() as database:
        facts = database[FACTS.name].count_documents({})
    expect(page.locator("[data-tile=results] b")).to_have_text(f"{facts:,}", timeout=PATIENCE_MS)
    # Nothing waits any more, so what was sent again is told apart.
    expect(page.locator("#account [data-row=repeated]")).to_be_visible(timeout=PATIENCE_MS)
    names = ("consumed", "matched", "unmatched", "repeated", "late", "dead", "control")

    def agreed() -> bool:
        # Anew each time: the job itself sends control records, for as long as records wait.
        report = json.loads(running.tandem("verify", "--json").stdout)
        return balance(page) == {name: report["total"][name] for name in names}

    running.wait("the page to show what verify finds", agreed, 120)
    for name in ("orders", "payments"):
        column = 1 + ["orders", "payments"].index(name)
        cell = page.locator(f"#account [data-row=matched] td:nth-child({column + 1})")
        expect(cell).to_have_text(f"{report['streams'][name]['matched']:,}")
    expect(page.locator("#empty")).to_be_hidden()
    expect(page.locator("#newest tbody tr")).to_have_count(12)


def test_the_page_links_to_sparks_page(page: Page, running: Environment) -> None:
    link = page.locator("#environment").get_by_role("link", name="Spark job")
    expect(link).to_have_attribute("href", running.status()["job"]["url"])
    with page.context.expect_page() as opened:
        link.click()
    expect(opened.value).to_have_title(re.compile("Spark"))


def test_records_flow_on_the_page_while_they_are_sent(page: Page, running: Environment) -> None:
    before = number(page, "[data-tile=results] b")
    producing = running.start("produce", "--count", "1500", "--event-time", "real", "--rate", "40")
    try:
        expect(page.locator("#pipe-in")).to_have_attribute("data-flows", "", timeout=PATIENCE_MS)
        expect(page.locator("#pipe-out")).to_have_attribute("data-flows", "", timeout=PATIENCE_MS)
        running.wait("more facts on the page", lambda: number(page, "[data-tile=results] b") > before)
        expect(page.locator("[data-tile=p50] b")).to_have_text(re.compile(r"\d (ms|s|min)$"))
        page.wait_for_function("document.querySelector('.charts figcaption span').textContent.startsWith('now')")
        page.screenshot(path=PICTURES / "flowing.png", full_page=True)
    finally:
        producing.terminate()
        producing.communicate(timeout=60)


@pytest.mark.parametrize("prefix", ["<img src=x onerror=document.title='broken'>", "a.b", "$set", "x|y", "ž\\u0041\"'"])
def test_the_search_for_an_order_with_a_hostile_id(prefix: str, page: Page, running: Environment) -> None:
    order_id = f"{prefix} {uuid.uuid4().hex[:8]}"
    places: list[str] = []
    client = Producer({"bootstrap.servers": running.bootstrap})
    order = event(order_id, order_date=True, customer_id="<b>bold</b>")
    for value in (order, order):
        client.produce(
            ORDERS.topic, value, on_delivery=lambda _, sent: places.append(f"{sent.partition()} {sent.offset()}")
        )
    client.produce(PAYMENTS.topic, event(order_id, payment_id=f"p {order_id}", payment_date=True))
    client.produce(PAYMENTS.topic, event(order_id, payment_id=7, payment_date=True))
    assert client.flush(30) == 0
    with running.database() as database:
        running.wait("the fact", lambda: database[FACTS.name].find_one({"order_id": order_id}))

    # A fact is there before its batch is committed and reported, and only then do its records have an outcome.
    def reported() -> bool:
        answer = page.request.get(f"{page.url}api/search", params={"key": order_id})
        return answer.ok and "not yet" not in answer.text()

    running.wait("the batch's report", reported)
    page.get_by_label("Order id").fill(order_id)
    page.keyboard.press("Enter")
    result = page.locator("#search-result")
    expect(result.locator("h3")).to_have_text(f"Order id {order_id}")
    expect(result.locator(".verdict")).to_have_text("Matched: 1 of the facts have this order id.")
    rows = result.locator("tbody tr")
    expect(rows).to_have_count(4)
    shown = [" ".join(row.locator("td").all_inner_texts()) for row in rows.all()]
    for place in places:
        assert any(f"{ORDERS.topic} {place} " in text for text in shown), (place, shown)
    assert sum("a duplicate" in text for text in shown) == 1
    assert sum("dead: wrong_type (payment_id)" in text for text in shown) == 1
    expect(result.locator("dd", has_text="<b>bold</b>")).to_be_visible()
    expect(page.locator("#search-result img, #newest img, #search-result b, #newest b")).to_have_count(0)
    assert page.title() != "broken"


def test_an_order_that_was_not_sent(page: Page) -> None:
    page.get_by_label("Order id").fill('{"$ne": null}')
    page.get_by_role("button", name="Look up").click()
    expect(page.locator("#search-result .verdict")).to_have_text("There are no records with this order id.")


def test_the_keyboard_reaches_everything(page: Page) -> None:
    expect(page.locator("#newest tbody button").first).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    reached: list[str] = []
    for _ in range(8):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
    assert "key" in reached
    assert reached.count("BUTTON") >= 2, reached
    # The result is above the row that was pressed: the focus goes there, and the table goes on.
    page.keyboard.press("Enter")
    expect(page.locator("#search-result .search-result")).to_be_focused()
    expect(page.locator("#search-result .verdict")).to_be_visible()
    page.locator("#search-result button").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#key")).to_be_focused()


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_the_page_is_accessible(scheme: Any, width: int, browser: Browser, running: Environment, page: Page) -> None:
    """axe finds nothing in either colour, wide or on a phone, with a search result open; nothing scrolls sideways."""
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 844})
    expect(page.locator("#newest tbody button").first).to_be_visible()
    page.locator("#newest tbody button").first.click()
    expect(page.locator("#search-result .verdict")).to_be_visible()
    page.screenshot(path=PICTURES / f"{scheme}-{width}.png", full_page=True)
    page.evaluate(AXE)
    found = page.evaluate("axe.run()")
    problems = [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in found["violations"]]
    assert problems == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_nothing_secret_and_nothing_foreign_is_served(page: Page, running: Environment) -> None:
    answer = page.request.get(page.url)
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert page.request.post(f"{page.url}api/search?key=x").status == 405
    assert page.request.get(page.url, headers={"host": "elsewhere.example"}).status == 400
    text = page.request.get(f"{page.url}api/now").text()
    assert "mongodb://" not in text
    hosts = page.evaluate("performance.getEntriesByType('resource').map((entry) => new URL(entry.name).host)")
    assert set(hosts) == {f"127.0.0.1:{running.first_port + 5}"}


def test_prometheus_reads_the_same_numbers(page: Page, running: Environment) -> None:
    text = page.request.get(f"{page.url}metrics").text()
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert values['tandem_job_up{pipeline="orders_payments"}'] == "1.0"
    with running.database() as database:
        facts = database[FACTS.name].count_documents({})
    assert float(values['tandem_results{pipeline="orders_payments"}']) == facts
    assert (
        float(values['tandem_job_records_total{pipeline="orders_payments"}'])
        == running.status()["job"]["input_rows_total"]
    )
