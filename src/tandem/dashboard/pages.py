"""Keeps a page for each pipeline that runs in the environment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode

import structlog

from tandem.dashboard.background import ErrorLog
from tandem.dashboard.other_pages import OtherPage
from tandem.dashboard.page import Page
from tandem.dashboard.telemetry.telemetry import Telemetry
from tandem.errors import TandemError
from tandem.settings.model import Settings

LOOK_S = 1.0
_log = structlog.get_logger(__name__)


class UnknownPipelineError(Exception):
    """The pipeline does not run here."""


class Pages:
    """Keeps a page for each pipeline.

    Args:
        known: returns the settings of each running pipeline, the first one first; called every second.
        others: other programs' pages to link to.

    Attributes:
        telemetry: sends what the jobs report, if the first one's settings name an address.

    Raises:
        UsageError: the first pipeline does not exist or declares no view.
    """

    def __init__(self, known: Callable[[], Sequence[Settings]], others: Sequence[OtherPage] = ()) -> None:
        self._known, self._others = known, others
        self._errors = ErrorLog("the search for running pipelines")
        self._refused: set[str] = set()
        first = known()[0]
        self.telemetry = Telemetry(first)
        # Created here, so that its errors are reported before the server starts.
        self._pages = {first.pipeline: self._page(first)}
        self._started: set[str] = set()

    def of(self, pipeline: str | None) -> Page:
        """Returns a pipeline's page; None for the first one's.

        Raises:
            UnknownPipelineError: the pipeline does not run here.
        """
        name = next(iter(self._pages)) if pipeline is None else pipeline
        if name not in self._pages:
            raise UnknownPipelineError(f"pipeline {name!r} does not run here; running: {', '.join(self._pages)}")
        return self._pages[name]

    def _page(self, settings: Settings) -> Page:
        return Page(settings, self.links, self.telemetry, self._others)

    def all(self) -> list[Page]:
        """Returns all pages, the first one first."""
        return list(self._pages.values())

    def links(self) -> list[dict[str, Any]]:
        """Returns each page's pipeline, title and URL, and the job's state."""
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
        """Adds and removes pages until it is cancelled; then stops all."""
        try:
            while True:
                try:
                    self.show(await asyncio.to_thread(self._known))
                except Exception as error:  # one error must not stop all pages
                    self._errors.log(error)
                await asyncio.sleep(LOOK_S)
        finally:
            for page in self._pages.values():
                page.stop()

    def show(self, known: Sequence[Settings]) -> None:
        """Shows a page for each of these pipelines, and ends all others."""
        pages: dict[str, Page] = {}
        # A pipeline that was removed and added again may be fixed.
        self._refused &= {settings.pipeline for settings in known}
        for settings in known:
            name = settings.pipeline
            try:
                if name not in self._refused:
                    pages[name] = self._pages.get(name) or self._page(settings)
            except TandemError as error:
                self._refused.add(name)
                _log.warning("a pipeline has no page", pipeline=name, error=str(error))
        # Never empty: requests in between get the last pages.
        pages = pages or self._pages
        for name, page in self._pages.items():
            if name not in pages:
                page.stop()
        self._pages = pages
        for name in self._pages.keys() - self._started:
            self._pages[name].start()
        self._started = set(self._pages)
