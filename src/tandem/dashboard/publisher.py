"""Renders the present at most twice a second, once for all pages that are open."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from tandem.dashboard.failures import Failures
from tandem.dashboard.state import State

EVERY_S = 0.5
# A page that hears nothing for some seconds says that it is cut off; so it hears something while nothing happens.
QUIET_S = 1.0


class Publisher:
    """One watcher's news for many pages. A page that is slow misses updates and gets the next.

    Args:
        state: what is shown.
        render: returns the present.
    """

    def __init__(self, state: State, render: Callable[[], dict[str, Any]]) -> None:
        self._state, self._render = state, render
        self._pages: set[asyncio.Queue[str | None]] = set()
        self._ended = False
        self._failures = Failures("the rendering of a page")

    async def updates(self) -> AsyncIterator[str]:
        """Yields each update as JSON until the page is closed, or there are no more."""
        queue: asyncio.Queue[str | None] = asyncio.Queue(maxsize=1)
        self._pages.add(queue)
        try:
            while not self._ended and (update := await queue.get()) is not None:
                yield update
        finally:
            self._pages.discard(queue)

    def end(self) -> None:
        """Lets all pages know that there are no more updates: a page that only waits would not look for others."""
        self._ended = True
        self._give(None)

    async def run(self) -> None:
        """Publishes until it is cancelled; renders nothing while no page is open."""
        version, at = -1, 0.0
        while True:
            await asyncio.sleep(EVERY_S)
            now = time.monotonic()
            if not self._pages or (self._state.version == version and now - at < QUIET_S):
                continue
            version, at = self._state.version, now
            # The watchers hold the lock for moments; still, nothing may hold up the server.
            try:
                self._give(json.dumps(await asyncio.to_thread(self._render), separators=(",", ":")))
            except Exception as error:  # pages that stand still without a word would be worse
                self._failures.tell(error)

    def _give(self, update: str | None) -> None:
        for queue in self._pages:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(update)
