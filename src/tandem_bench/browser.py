"""Opens the dashboard in Chromium and in connections that only listen."""

from __future__ import annotations

import os
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from playwright.sync_api import CDPSession, Page, sync_playwright

from tandem.errors import EnvironmentNotReadyError

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
_UPDATE = b"event: update"
# From the beginning of an update until after the frame that shows it: script, style, layout, paint and the wait for it.
_OBSERVE = """
window.updates = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntriesByName("update")) {
    requestAnimationFrame(() => setTimeout(() => window.updates.push(performance.now() - entry.startTime)));
  }
}).observe({ type: "measure" });
"""


def chromium() -> str:
    """Returns the browser's program.

    Raises:
        EnvironmentNotReadyError: there is none.
    """
    # Debian's start script prints warnings, so use the program beside its libraries.
    direct = Path("/usr/lib/chromium/chromium")
    if direct.is_file():
        return str(direct)
    for program in filter(None, map(shutil.which, _PROGRAMS)):
        return program
    raise EnvironmentNotReadyError("there is no Chromium on PATH", hint="on Debian and Ubuntu: apt install chromium")


class OpenPage:
    """The dashboard in a browser. Made by ``opened``."""

    def __init__(self, page: Page, session: CDPSession) -> None:
        self._page, self._session = page, session

    def wait(self, seconds: float) -> None:
        """Waits, while the page keeps running."""
        self._page.wait_for_timeout(seconds * 1000)

    def updates(self) -> list[float]:
        """Returns the milliseconds from each new update to the frame that shows it."""
        delays: list[float] = self._page.evaluate("window.updates.splice(0)")
        return delays

    def heap(self) -> float:
        """Returns the memory of the page's script after a garbage collection, in MiB."""
        self._session.send("HeapProfiler.collectGarbage")
        used: dict[str, Any] = self._session.send("Runtime.getHeapUsage")
        return float(used["usedSize"]) / 2**20

    def results(self) -> int:
        """Returns the number of results that the page shows."""
        text = self._page.locator("[data-tile=results] b").inner_text().replace(",", "")
        return int(text) if text.isdigit() else -1


@contextmanager
def opened(url: str) -> Iterator[OpenPage]:
    """Yields the dashboard's page, once it is live.

    Raises:
        EnvironmentNotReadyError: there is no browser.
    """
    program = chromium()
    # Chromium's own sandbox does not start for root.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=program, args=arguments) as browser,
    ):
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.add_init_script(_OBSERVE)
        page.goto(url)
        page.wait_for_selector("#link[data-state=live]")
        yield OpenPage(page, page.context.new_cdp_session(page))


class Listeners:
    """Connections that read all updates, as open pages do, while the block runs.

    Args:
        address: the dashboard's host and port.
        number: the number of connections.
    """

    def __init__(self, address: tuple[str, int], number: int) -> None:
        self._address = address
        self._heard = [0] * number
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        host, port = self._address
        for place in range(len(self._heard)):
            connection = socket.create_connection(self._address)
            connection.sendall(f"GET /api/events HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
            thread = threading.Thread(target=self._listen, args=(place, connection), daemon=True)
            thread.start()
            self._sockets.append(connection)
            self._threads.append(thread)
        return self

    def __exit__(self, *_: object) -> None:
        for connection, thread in zip(self._sockets, self._threads, strict=True):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            thread.join()
            connection.close()

    def heard(self) -> int:
        """Returns the smallest number of updates that a connection received.

        0 without connections.
        """
        return min(self._heard, default=0)

    def _listen(self, place: int, connection: socket.socket) -> None:
        with suppress(OSError), connection.makefile("rb") as lines:
            for line in lines:
                self._heard[place] += line.startswith(_UPDATE)
