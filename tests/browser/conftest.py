"""Real Chromium, Debian's or the user's own, driven by Playwright, on the page of an environment that really runs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from tandem.errors import EnvironmentNotReadyError
from tandem_bench.browser import chromium
from tests import STATE
from tests.environment import Environment

# Screenshots are kept: they are what a person wants to see of these tests.
PICTURES = STATE / "browser"
# The console tells what the tests themselves do: they end the server.
EXPECTED = ("net::ERR_", "Failed to load resource")


# Of the package: what runs on would slow the other layers, and Playwright's loop would be in the way of theirs.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    try:
        program = chromium()
    except EnvironmentNotReadyError as error:
        pytest.skip(f"{error}; {error.hint}")
    if shutil.which("java") is None:
        pytest.skip("no java on PATH: the embedded environment needs Java 17 or newer")
    PICTURES.mkdir(parents=True, exist_ok=True)
    # Chromium's own sandbox does not start for root.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=program, args=arguments)
        yield found
        found.close()


@pytest.fixture(scope="package")
def running(browser: Browser) -> Iterator[Environment]:
    """An environment that runs, and waits for a quiet topic long enough that the wait is shown."""
    environment = Environment(STATE / "shown", 29750, (("TANDEM_JOB__IDLE_TIMEOUT_SECONDS", "60"),))
    with environment.started():
        yield environment


@pytest.fixture
def page(browser: Browser, running: Environment) -> Iterator[Page]:
    """A page that shows the environment; a test fails when its console has an error."""
    errors: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not any(word in message.text for word in EXPECTED):
            errors.append(message.text)

    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        found = context.new_page()
        found.set_default_timeout(60_000)
        found.on("console", hear)
        found.on("pageerror", lambda error: errors.append(str(error)))
        found.goto(f"http://127.0.0.1:{running.first_port + 5}")
        yield found
    assert errors == []
