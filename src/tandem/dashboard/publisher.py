"""Renders the present at most twice a second, once for all pages that are open."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from tandem.dashboard.state import State

EVERY_S = 0.5
# A page that hears nothing for some seconds says that it is cut off; so it hears something while nothing happens.
_QUIET_S = 1.0


class Publisher:
    """One watcher's news for many pages. A page that is slow misses updates and gets the next.

    Args:
        state: what is shown.
        render: returns the present.
    """

    def __init__(self, state: State, render: Callable[[], dict[str, Any]]) -> None:
        self._state, self._render = state, render
        self._pages: set[asyncio.Queue[str]] = set()

    @property
    def pages(self) -> int:
        """How many pages are open."""
        return len(self._pages)

    async def updates(self) -> AsyncIterator[str]:
        """Yields each update as JSON until the page is closed."""
        queue: asyncio.Queue[str] = asyncio.Queue(maxsize=1)
        self._pages.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._pages.discard(queue)

    async def run(self) -> None:
        """Publishes until it is cancelled; renders nothing while no page is open."""
        version, at = -1, 0.0
        while True:
            await asyncio.sleep(EVERY_S)
            now = time.monotonic()
            if not self._pages or (self._state.version == version and now - at < _QUIET_S):
                continue
            version, at = self._state.version, now
            # The watchers hold the lock for moments; still, nothing may hold up the server.
            text = json.dumps(await asyncio.to_thread(self._render), separators=(",", ":"))
            for queue in self._pages:
                if queue.full():
                    queue.get_nowait()
                queue.put_nowait(text)
