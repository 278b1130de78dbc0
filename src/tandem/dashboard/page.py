"""One pipeline's page: its watchers, its state and its publisher."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

from tandem.dashboard.declaration import declared
from tandem.dashboard.health import job_state
from tandem.dashboard.job_watch import JobWatch
from tandem.dashboard.key_search import KeySearch
from tandem.dashboard.mongo import MongoWatch, database
from tandem.dashboard.other_pages import OtherPage, OtherPagesWatch, pages_of
from tandem.dashboard.outcome_watch import OutcomeWatch
from tandem.dashboard.publisher import Publisher
from tandem.dashboard.result_watch import ResultWatch
from tandem.dashboard.snapshot import environment, history, snapshot
from tandem.dashboard.state import PipelineState
from tandem.dashboard.telemetry.telemetry import Telemetry
from tandem.dashboard.topic_watch import TopicWatch
from tandem.settings.model import Settings

_PING_MS = 2_000
_WATCH_MS = 4_000
_COUNT_MS = 120_000


class Page:
    """Watches one pipeline from ``start`` to ``stop``.

    Args:
        settings: the pipeline's settings.
        links: returns the links to all pages.
        telemetry: sends what the job reports.
        others: other programs' pages to link to.

    Raises:
        UsageError: the pipeline does not exist or declares no view.
    """

    def __init__(
        self,
        settings: Settings,
        links: Callable[[], list[dict[str, Any]]],
        telemetry: Telemetry,
        others: Sequence[OtherPage] = (),
    ) -> None:
        self.declaration, self.state = declared(settings.location), PipelineState()
        self._settings, self._links = settings, links
        live, brief, patient = self._databases = tuple(
            database(settings.mongo, answer_within_ms=ms) for ms in (_WATCH_MS, _PING_MS, _COUNT_MS)
        )
        self.watchers = (
            MongoWatch(brief, self.state),
            JobWatch(live, self.declaration.name, self.state, telemetry.feed(settings)),
            ResultWatch(live, self.declaration.view, self.state),
            TopicWatch(settings.kafka, self.declaration, self.state),
            OutcomeWatch(patient, self.declaration, self.state),
            OtherPagesWatch(pages_of(settings, others), self.state),
        )
        self.publisher = Publisher(self.state, self.present)
        self.key_search = KeySearch(settings, live, self.declaration, self.state)
        self._publishing: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Starts to watch and to publish; call it in the server's event loop."""
        for watcher in self.watchers:
            watcher.start()
        self._publishing = asyncio.create_task(self.publisher.run())

    def stop(self) -> None:
        """Stops both."""
        if self._publishing:
            self._publishing.cancel()
        self.publisher.end()
        for watcher in self.watchers:
            watcher.stop()
        for each in self._databases:
            each.client.close()

    def about(self) -> dict[str, Any]:
        """Returns the values that do not change; see ``snapshot.environment``."""
        return environment(self._settings, self.declaration)

    def past(self) -> dict[str, Any]:
        """Returns the history for a page that was just opened; see ``snapshot.history``."""
        return history(self.state)

    def present(self) -> dict[str, Any]:
        """Returns the current values, with links to the other pages."""
        return {**snapshot(self.state, self.declaration), "pipelines": self._links()}

    def job_state(self) -> str:
        """Returns the job's state; see ``health.job_state``."""
        with self.state.lock:
            return job_state(self.state, time.monotonic())
