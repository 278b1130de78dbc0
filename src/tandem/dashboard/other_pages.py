"""Finds out which other programs' pages can be opened: Spark's, Kafka UI, Mongoku."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass

from tandem.dashboard.background import Watcher
from tandem.dashboard.state import PipelineState
from tandem.errors import UsageError
from tandem.settings.model import Settings

LOOK_S = 3.0
_TIMEOUT_S = 1.0


@dataclass(frozen=True)
class OtherPage:
    """A page of another program.

    Attributes:
        name: the text of the link.
        url: the address for the user's browser.
        host: where the dashboard finds the program; in a container, a name of its network.
        port: the program's port there.
    """

    name: str
    url: str
    host: str
    port: int

    def answers(self) -> bool:
        """Returns whether the program accepts a connection."""
        try:
            with socket.create_connection((self.host, self.port), timeout=_TIMEOUT_S):
                return True
        except OSError:
            return False


def parsed(text: str) -> OtherPage:
    """Returns the page of an argument ``NAME=URL=HOST:PORT``.

    Raises:
        UsageError: the argument has another form.
    """
    match text.split("="):
        case [name, url, address] if name and url.startswith("http"):
            host, _, port = address.rpartition(":")
            if host and port.isdecimal():
                return OtherPage(name, url, host, int(port))
    raise UsageError(
        f"--page {text!r} is not NAME=URL=HOST:PORT", hint="for example --page Spark=http://127.0.0.1:4040=job:4040"
    )


def pages_of(settings: Settings, named: Sequence[OtherPage]) -> list[OtherPage]:
    """Returns the pages to link to.

    They are the named ones, and Spark's if the driver is a process on this machine.
    """
    if settings.backend in ("compose", "dataproc"):
        return list(named)
    port = settings.ui.spark_port
    return [OtherPage("Spark job", f"http://127.0.0.1:{port}", "127.0.0.1", port), *named]


class OtherPagesWatch(Watcher):
    """Keeps the list of pages that answer.

    Args:
        pages: all pages.
        state: the state to write to.
    """

    def __init__(self, pages: Sequence[OtherPage], state: PipelineState) -> None:
        super().__init__("other-pages-watch", ())
        self._pages, self._state = pages, state

    def watch(self) -> None:
        """See ``Watcher.watch``."""
        while not self.stopping.is_set():
            self.look()
            self.stopping.wait(LOOK_S)

    def look(self) -> None:
        """Asks all pages once."""
        found = [{"name": page.name, "url": page.url} for page in self._pages if page.answers()]
        with self._state.lock:
            if found != self._state.other_pages:
                self._state.other_pages = found
                self._state.touch()
