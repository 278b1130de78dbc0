"""The runs of a pipeline on a cluster or as serverless batches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

import structlog

from tandem.errors import TandemError
from tandem.job_files import RECONCILE, REPLAY, STREAM
from tandem.platforms.dataproc.bucket import Bucket
from tandem.platforms.dataproc.calls import call
from tandem.platforms.dataproc.release import Release, folder_of
from tandem.platforms.dataproc.requests import (
    environment_filter,
    environment_of,
    jobs_filter,
    label_of,
    of_entry,
    stop_object,
)
from tandem.platforms.dataproc.run import Run
from tandem.progress_display import wait_shown
from tandem.settings.model import Settings
from tandem.waiting import DeadlineError, NotYetError

# The current batch is finished first. A longer batch is cancelled, and the next driver repeats it.
STOP_DEADLINE_S = 300.0
_CANCEL_DEADLINE_S = 120.0
_log = structlog.get_logger(__name__)


class Runs(ABC):
    """The runs of a profile's pipeline in one of Dataproc's two services.

    Args:
        settings: the profile's settings.
        client: Google's client of the service.
        bucket: the bucket in which a job looks for its stop object.
    """

    def __init__(self, settings: Settings, client: Any, bucket: Bucket) -> None:
        self._settings, self._client, self._bucket = settings, client, bucket
        self._pace_s = 0.5 if settings.gcp.credentials == "none" else 3.0

    @abstractmethod
    def get(self, name: str) -> Run:
        """Returns the current state of a run."""

    @abstractmethod
    def submit(self, release: Release, predecessor: str | None) -> Run:
        """Submits a release and returns the run; the uploads and the cluster must exist.

        Args:
            release: the release to submit.
            predecessor: the id of the newest run of the same file; None if there was none.
        """

    # The service's filter for active runs; it may leave out one that waits for its restart.
    _active: str

    @abstractmethod
    def listed(self, wanted: str) -> Iterable[Run]:
        """Returns the service's runs that match a filter."""

    @abstractmethod
    def _all_active(self, wanted: str = "") -> Iterable[Run]:
        """Returns the active runs that match a filter; by default all."""

    @abstractmethod
    def cancel(self, run: Run) -> None:
        """Cancels a run at once."""

    @abstractmethod
    def log_filter(self, run: Run) -> str:
        """Returns the filter for the entries of a run's driver in Cloud Logging."""

    @abstractmethod
    def _kill_hint(self, run: Run) -> str:
        """Returns Google's command that ends a run."""

    def others_on_cluster(self) -> list[str]:
        """Returns the ids of other active jobs that need the cluster, if any."""
        return []

    def newest(self, entry: str = STREAM) -> Run | None:
        """Returns the active run, else the last submitted one.

        Args:
            entry: the pipeline's file that it runs.
        """
        wanted = f"{jobs_filter(self._settings)} AND {of_entry(entry)}"
        # Google keeps every run of the past, so they are listed only if none is active.
        runs = list(self.listed(f"{self._active} AND {wanted}")) or self.listed(wanted)
        return max(runs, key=lambda run: run.rank, default=None)

    def active_streams(self) -> list[Run]:
        """Returns the active streams of all pipelines in the environment."""
        return list(self._all_active(f"{environment_filter(self._settings)} AND {of_entry(STREAM)}"))

    def active_batches(self) -> list[Run]:
        """Returns the pipeline's active reconciliations and replays."""
        runs = self.listed(f"{self._active} AND {jobs_filter(self._settings)}")
        return [run for run in runs if run.entry in (RECONCILE, REPLAY)]

    def check_earlier(self) -> None:
        """Raises if a job of an earlier Tandem uses the checkpoint.

        Such a job has other labels.

        Raises:
            TandemError: the message names it, the hint the command that ends it.
        """
        folder = f"gs://{self._settings.gcp.bucket}/{folder_of(self._settings)}"
        for run in self._all_active():
            if run.config.startswith(folder) and not self._owns(run):
                raise TandemError(
                    f"the job {run.id} of an earlier version of Tandem runs on this checkpoint",
                    hint=f"stop it first: {self.way_to_end(run)}",
                )

    def stop(self, run: Run) -> None:
        """Stops a run after its current batch, or cancels it after a deadline.

        Raises:
            TandemError: the run belongs to another pipeline or environment.
        """
        if not self._owns(run):
            raise TandemError(
                f"the job {run.id} belongs to another pipeline or environment and is left alone",
                hint="stop it with the settings that it was deployed with",
            )
        mark = stop_object(self._settings, run.id)
        self._bucket.put(mark)
        try:
            self.await_end(run, STOP_DEADLINE_S)
        except DeadlineError:
            _log.warning("the job did not stop in time and is cancelled", job=run.id)
            self.end(run)
        self._bucket.remove(mark)

    def end(self, run: Run) -> None:
        """Cancels a run unless that is done, and returns when it has ended."""
        if run.state != "stopping":
            try:
                call(f"cancelling the job {run.id}", lambda: self.cancel(run))
            except TandemError:
                # Google refuses if the run has ended meanwhile.
                if self.get(run.id).active:
                    raise
        self.await_end(run, _CANCEL_DEADLINE_S)

    def is_stopping(self, run: Run) -> bool:
        """Returns whether a run was asked to stop or is being cancelled.

        A command that is interrupted in ``stop`` leaves such a run behind.
        """
        return run.state == "stopping" or self._bucket.exists(stop_object(self._settings, run.id))

    def _remove_request_to_stop(self, name: str) -> None:
        """Removes the stop object of a run that is about to be submitted.

        An id returns if Dataproc has forgotten the runs of the past. An interrupted ``stop`` may have left an object of
        that name, and the new run would obey it.
        """
        self._bucket.remove(stop_object(self._settings, name))

    def way_to_end(self, run: Run) -> str:
        """Returns the command that ends a run; no command of Google's reaches a stand-in."""
        mine = self._settings
        return f"`tandem --profile {mine.profile} down`" if mine.backend == "rehearsal" else self._kill_hint(run)

    def _owns(self, run: Run) -> bool:
        """Returns whether a run is this pipeline's in this environment."""
        mine = (environment_of(self._settings), label_of(self._settings))
        return (run.environment, run.pipeline) == mine

    def await_end(self, run: Run, deadline_s: float) -> Run:
        """Returns a run once it has ended.

        Raises:
            DeadlineError: it did not end in time.
            EnvironmentNotReadyError: Google does not answer.
        """

        def probe() -> Run:
            now = self.get(run.id)
            if now.active:
                raise NotYetError(f"it is {now.state}")
            return now

        return wait_shown(
            f"the job {run.id} to end",
            probe,
            deadline_s=deadline_s,
            hint=self.way_to_end(run),
            interval_s=self._pace_s,
        )
