"""Runs the pipeline as a serverless batch of Dataproc."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from tandem.platforms.dataproc.calls import call
from tandem.platforms.dataproc.release import Release
from tandem.platforms.dataproc.requests import ACTIVE_BATCHES, batch_request, batches_parent, place_of
from tandem.platforms.dataproc.run import Run, run_of
from tandem.platforms.dataproc.runs import Runs

if TYPE_CHECKING:
    from google.cloud.dataproc_v1 import Batch, BatchControllerClient


class Batches(Runs):
    """The serverless batches of a profile's pipeline."""

    _client: BatchControllerClient
    _active = ACTIVE_BATCHES

    def get(self, name: str) -> Run:
        """Returns the current state of a batch."""
        return _run(self._get(name))

    def submit(self, release: Release, predecessor: str | None) -> Run:
        """Returns the submitted batch; see ``Runs.submit``."""
        from google.api_core.exceptions import AlreadyExists

        request = batch_request(self._settings, release, predecessor)
        self._remove_request_to_stop(request.batch_id)

        def send() -> None:
            try:
                # The returned operation ends with the batch.
                self._client.create_batch(request=request, retry=None)
            except AlreadyExists:  # by an attempt whose answer was lost
                return

        call("submitting the batch", send)
        return self.get(request.batch_id)

    def listed(self, wanted: str) -> Iterable[Run]:
        """Returns the service's runs that match a filter."""
        request = {"parent": batches_parent(self._settings), "filter": wanted}
        listed = call("listing the batches", lambda: list(self._client.list_batches(request=request, retry=None)))
        return map(_run, listed)

    def _all_active(self, wanted: str = "") -> Iterable[Run]:
        return self.listed(" AND ".join(filter(None, (ACTIVE_BATCHES, wanted))))

    def cancel(self, run: Run) -> None:
        """Ends a run at once; see ``Runs.cancel``."""
        self._client.cancel_operation({"name": self._get(run.id).operation}, retry=None)

    def log_filter(self, run: Run) -> str:
        """Returns the filter for a driver's entries; see ``Runs.log_filter``."""
        google = self._settings.gcp
        return (
            f'resource.type = "cloud_dataproc_batch" AND resource.labels.location = "{google.region}" '
            f'AND resource.labels.batch_id = "{run.id}" '
            f'AND logName = "projects/{google.project}/logs/dataproc.googleapis.com%2Foutput"'
        )

    def _kill_hint(self, run: Run) -> str:
        return f"`gcloud dataproc batches cancel {run.id} {place_of(self._settings.gcp)}`"

    def _get(self, name: str) -> Batch:
        address = f"{batches_parent(self._settings)}/batches/{name}"
        return call(f"looking at the batch {name}", lambda: self._client.get_batch(name=address, retry=None))


def _run(batch: Batch) -> Run:
    return run_of(
        batch.name.rpartition("/")[2],
        batch.labels,
        batch.state.name,
        batch.state_time,
        batch.state_message,
        batch.runtime_info.output_uri,
        batch.uuid,
        batch.pyspark_batch.args,
    )
