"""The pages of all pipelines that an environment runs: they come and go as pipelines do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode

import structlog

from tandem.dashboard.failures import Failures
from tandem.dashboard.page import Page
from tandem.errors import TandemError
from tandem.settings.model import Settings

LOOK_S = 1.0
_log = structlog.get_logger(__name__)


class UnknownPipelineError(Exception):
    """No such pipeline runs here."""


class Pages:
    """Keeps a page for each pipeline.

    Args:
        known: returns the settings of each, the first one first; asked again and again.

    Raises:
        UsageError: the first one is not there, or has nothing to show.
    """

    def __init__(self, known: Callable[[], Sequence[Settings]]) -> None:
        self._known = known
        self._failures = Failures("the look which pipelines run")
        self._refused: set[str] = set()
        first = known()[0]
        # Made here, so that what is wrong with it is said before anything is served.
        self._pages = {first.pipeline: Page(first, self.links)}
        self._started: set[str] = set()

    def of(self, pipeline: str | None) -> Page:
        """Returns a pipeline's page; None for the first one's.

        Raises:
            UnknownPipelineError: it has none.
        """
        name = next(iter(self._pages)) if pipeline is None else pipeline
        if name not in self._pages:
            raise UnknownPipelineError(f"no pipeline {name!r} runs here; there is: {', '.join(self._pages)}")
        return self._pages[name]

    def all(self) -> list[Page]:
        """Returns all pages, the first one first."""
        return list(self._pages.values())

    def links(self) -> list[dict[str, Any]]:
        """Returns of each page the pipeline, its title, where it is, and the job's state."""
        return [
            {
                "name": name,
                "title": page.declaration.view.title,
                "url": f"/?{urlencode({'pipeline': name})}" if number else "/",
                "state": page.job_state(),
            }
            for number, (name, page) in enumerate(list(self._pages.items()))
        ]

    async def run(self) -> None:
        """Lets pages come and go until it is cancelled; then all end."""
        try:
            while True:
                try:
                    self.show(await asyncio.to_thread(self._known))
                except Exception as error:  # all pages would end with it
                    self._failures.tell(error)
                await asyncio.sleep(LOOK_S)
        finally:
            for page in self._pages.values():
                page.stop()

    def show(self, known: Sequence[Settings]) -> None:
        """Shows a page for each of these pipelines, and ends all others."""
        pages: dict[str, Page] = {}
        # What comes back may have been mended.
        self._refused &= {settings.pipeline for settings in known}
        for settings in known:
            name = settings.pipeline
            try:
                if name not in self._refused:
                    pages[name] = self._pages.get(name) or Page(settings, self.links)
            except TandemError as error:
                self._refused.add(name)
                _log.warning("a pipeline has no page", pipeline=name, error=str(error))
        # Never none: who asks meanwhile gets the last ones.
        pages = pages or self._pages
        for name, page in self._pages.items():
            if name not in pages:
                page.stop()
        self._pages = pages
        for name in self._pages.keys() - self._started:
            self._pages[name].start()
        self._started = set(self._pages)
