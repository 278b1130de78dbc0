"""Finds the other jobs in a project, so that shared resources are kept for them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from tandem import catalog
from tandem.platforms.dataproc.calls import call
from tandem.platforms.dataproc.requests import LABEL, label_value
from tandem.platforms.dataproc.runs import Runs
from tandem.settings.model import Settings

if TYPE_CHECKING:
    from google.cloud.dataproc_v1 import JobControllerClient


def active(settings: Settings, services: Iterable[Runs]) -> list[str]:
    """Returns the pipelines with an active stream; the one that has run longest comes first.

    Args:
        settings: of any of them.
        services: where they may run.
    """
    streams = [run for service in services for run in service.active_streams()]
    labels = [run.pipeline for run in sorted(streams, key=lambda run: run.since.timestamp() if run.since else 0.0)]
    # A label has not all letters of a name.
    names = {label_value(name): name for name in catalog.names(settings.pipelines_dir)}
    return list(dict.fromkeys(names.get(label, label) for label in labels))


def others_on_cluster(settings: Settings, client: JobControllerClient) -> list[str]:
    """Returns the ids of all active jobs on the cluster except this pipeline's."""
    from google.cloud.dataproc_v1 import ListJobsRequest

    mine = label_value(settings.pipeline)

    request = ListJobsRequest(
        project_id=settings.gcp.project,
        region=settings.gcp.region,
        cluster_name=settings.gcp.cluster,
        job_state_matcher=ListJobsRequest.JobStateMatcher.ACTIVE,
    )
    found = call("listing the active jobs", lambda: list(client.list_jobs(request=request, retry=None)))
    return sorted(job.reference.job_id for job in found if job.labels.get(LABEL) != mine)
