"""The pipelines whose jobs run in one project, so that what they share is kept for those that are left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tandem import catalog
from tandem.platforms.dataproc.calls import call
from tandem.platforms.dataproc.requests import ENTRY_LABEL, LABEL, STREAM, label_value
from tandem.settings.model import Settings

if TYPE_CHECKING:
    from google.cloud.dataproc_v1 import Job, JobControllerClient


def active(settings: Settings, client: JobControllerClient) -> list[str]:
    """Returns the pipelines of which a stream is active, on whatever cluster; the one that has run longest comes first.

    Args:
        settings: of any of them.
        client: Google's.
    """
    jobs = [job for job in _active(settings, client, None) if job.labels.get(ENTRY_LABEL) == STREAM]
    labels = [job.labels[LABEL] for job in sorted(jobs, key=lambda job: job.status.state_start_time.timestamp())]
    # A label has not all letters of a name.
    names = {label_value(name): name for name in catalog.names(settings.pipelines_dir)}
    return list(dict.fromkeys(names.get(label, label) for label in labels))


def others_on_cluster(settings: Settings, client: JobControllerClient) -> list[str]:
    """Returns the ids of the active jobs on the cluster that are not this pipeline's, also those of somebody else."""
    mine = label_value(settings.pipeline)
    found = _active(settings, client, settings.gcp.cluster)
    return sorted(job.reference.job_id for job in found if job.labels.get(LABEL) != mine)


def _active(settings: Settings, client: JobControllerClient, cluster: str | None) -> list[Job]:
    from google.cloud.dataproc_v1 import ListJobsRequest

    request = ListJobsRequest(
        project_id=settings.gcp.project,
        region=settings.gcp.region,
        cluster_name=cluster or "",
        job_state_matcher=ListJobsRequest.JobStateMatcher.ACTIVE,
    )
    return call("listing the active jobs", lambda: list(client.list_jobs(request=request, retry=None)))
