"""Renders the current values at most twice a second, once for all open pages."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from tandem.dashboard.background import ErrorLog
from tandem.dashboard.state import PipelineState

EVERY_S = 0.5
# A page that gets no update for some seconds shows that it is disconnected, so updates are sent while idle, too.
QUIET_S = 1.0


class Publisher:
    """Sends the state's updates to many pages.

    A slow page misses updates and gets the next.

    Args:
        state: what is shown.
        render: returns the present.
    """

    def __init__(self, state: PipelineState, render: Callable[[], dict[str, Any]]) -> None:
        self._state, self._render = state, render
        self._pages: set[asyncio.Queue[str | None]] = set()
        self._ended = False
        self._errors = ErrorLog("the rendering of a page")

    async def updates(self) -> AsyncIterator[str]:
        """Yields each update as JSON until the page or the publisher is closed."""
        queue: asyncio.Queue[str | None] = asyncio.Queue(maxsize=1)
        self._pages.add(queue)
        try:
            while not self._ended and (update := await queue.get()) is not None:
                yield update
        finally:
            self._pages.discard(queue)

    def end(self) -> None:
        """Ends the updates, so that open pages connect again."""
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
            # In a thread: the watchers hold the lock briefly, but nothing may block the server.
            try:
                self._give(json.dumps(await asyncio.to_thread(self._render), separators=(",", ":")))
            except Exception as error:  # pages that freeze silently would be worse
                self._errors.log(error)

    def _give(self, update: str | None) -> None:
        for queue in self._pages:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(update)
