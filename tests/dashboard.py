"""A dashboard without Kafka and MongoDB, in the tests' own process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import uvicorn

from tandem.dashboard.other_pages import OtherPage
from tandem.dashboard.pages import Pages
from tandem.dashboard.server import application
from tandem.settings.load import load
from tandem.settings.model import Settings
from tandem.waiting import NotYetError, wait_for

# Where nothing listens.
NOWHERE = {"kafka": {"port": 29951}, "mongo": {"port": 29952}}


def settings_of(pipeline: str) -> Settings:
    return load("embedded", {**NOWHERE, "pipeline": pipeline})


@contextmanager
def served(others: Sequence[OtherPage] = ()) -> Iterator[tuple[str, list[Settings]]]:
    """Yields the address, and the list of what is to be shown.

    Args:
        others: other programs' pages to link to.
    """
    known = [settings_of("orders_payments")]
    server = uvicorn.Server(uvicorn.Config(application(Pages(lambda: list(known), others)), port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}", known
    finally:
        server.should_exit = True
        thread.join()


def wait_until(condition: Callable[[], bool]) -> None:
    def probe() -> None:
        if not condition():
            raise NotYetError("not yet")

    wait_for("the server", probe, deadline_s=20, hint="", interval_s=0.05)
