"""A page stays open while its pipeline leaves and comes back."""

from __future__ import annotations

from playwright.sync_api import Browser, expect

from tests.dashboard import served, settings_of


def test_a_page_finds_its_pipeline_again(browser: Browser) -> None:
    second = settings_of("segment_revenue")
    with served() as (address, known), browser.new_context() as context:
        known.append(second)
        page = context.new_page()
        # The server looks once a second which there are.
        while page.goto(f"{address}/?pipeline=segment_revenue").status == 404:  # type: ignore[union-attr]
            page.wait_for_timeout(100)
        expect(page.locator("#link")).to_have_text("Live")
        known.remove(second)
        # Not once: a browser that was refused would not try again.
        expect(page.locator("#link")).to_contain_text("Disconnected", timeout=20_000)
        with page.expect_response(lambda answer: answer.status == 404, timeout=20_000):
            pass
        known.append(second)
        expect(page.locator("#link")).to_have_text("Live", timeout=20_000)
        assert page.url == f"{address}/?pipeline=segment_revenue"


def test_a_page_that_is_given_another_pipeline_shows_that_one(browser: Browser) -> None:
    with served() as (address, known), browser.new_context() as context:
        page = context.new_page()
        page.goto(address)
        expect(page.locator("#title")).to_have_text("Orders and payments")
        known[:] = [settings_of("segment_revenue")]
        expect(page.locator("#title")).to_have_text("Revenue by segment", timeout=20_000)
        expect(page.locator("#topics .node")).to_have_count(1)
