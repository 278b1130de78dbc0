"""A thread that watches one source for as long as the server runs, and begins anew when the source was away."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod

from tandem.dashboard.failures import Failures

_RETRY_S = 1.0


class Watcher(ABC):
    """Base of the watchers.

    Args:
        name: of its thread.
        away: the exceptions that mean that the source does not answer.
    """

    def __init__(self, name: str, away: tuple[type[Exception], ...]) -> None:
        self.stopping = threading.Event()
        self._away, self._failures = away, Failures(f"the watcher {name}")
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begins to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Ends; the thread may take a moment longer, and does no harm."""
        self.stopping.set()

    @abstractmethod
    def watch(self) -> None:
        """Watches until ``stopping`` is set, or raises one of ``away``."""

    def lost(self, error: Exception) -> None:  # noqa: B027, who has nothing to note leaves it
        """Notes that the source does not answer."""

    def _run(self) -> None:
        while not self.stopping.is_set():
            try:
                self.watch()
            except self._away as error:
                self.lost(error)
            except Exception as error:  # a page that stands still without a word would be worse
                self._failures.tell(error)
                self.lost(error)
            self.stopping.wait(_RETRY_S)
