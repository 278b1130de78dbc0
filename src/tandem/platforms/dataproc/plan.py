"""Lists the calls of ``deploy`` with their arguments, without making any."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tandem.platforms.dataproc.release import Release, checkpoint_of, object_of
from tandem.platforms.dataproc.requests import (
    ACTIVE_BATCHES,
    batch_request,
    batches_parent,
    cluster_request,
    jobs_filter,
    stop_object,
    submit_request,
)
from tandem.platforms.provision import indexes_of, streams_of, topics_of
from tandem.settings.model import Settings


@dataclass(frozen=True)
class Call:
    """One call.

    Attributes:
        service: the service's name.
        method: its name in the service's documentation.
        about: the named resources, or the whole request.
        when: the condition under which it is made; empty for always.
        changes: whether it changes anything.
    """

    service: str
    method: str
    about: Mapping[str, Any]
    when: str = ""
    changes: bool = True


def calls(settings: Settings, release: Release) -> Iterator[Call]:
    """Yields the calls of a deployment."""
    google = settings.gcp
    place = {"projectId": google.project, "region": google.region}
    jobs = Call("Dataproc", "ListJobs", {**place, "filter": jobs_filter(settings)}, changes=False)
    of_batches = {"parent": batches_parent(settings), "filter": jobs_filter(settings)}
    batches = Call("Dataproc", "ListBatches", of_batches, changes=False)
    newest, elsewhere = (batches, jobs) if google.serverless else (jobs, batches)
    yield Call("Cloud Storage", "objects.list", {"bucket": google.bucket}, changes=False)
    for reference in (settings.kafka.job_password, settings.mongo.job_password):
        name = (reference or "").removeprefix("gsm:")
        yield Call("Secret Manager", "GetSecretVersion", {"name": name}, changes=False)
    yield elsewhere
    yield Call("Dataproc", "ListJobs", place, changes=False)
    yield Call("Dataproc", "ListBatches", {**of_batches, "filter": ACTIVE_BATCHES}, changes=False)
    cluster = Call("Dataproc", "GetCluster", {**place, "clusterName": google.cluster}, changes=False)
    if not google.serverless:
        yield cluster
    yield newest
    read = {"bucket": google.bucket, "prefix": checkpoint_of(settings).removeprefix(f"gs://{google.bucket}/")}
    when = "unless this release runs: checks whether it can resume from the checkpoint"
    yield Call("Cloud Storage", "objects.list, objects.get", read, when, changes=False)
    for topic, options in topics_of(settings.kafka, *streams_of(settings.location)).items():
        yield Call("Kafka", "CreateTopics", {"topic": topic, **options}, "if it is missing")
    yield Call("MongoDB", "create, createIndexes", {"indexes": indexes_of(settings.location)}, "if missing")
    for upload in release.uploads:
        about = {"bucket": google.bucket, "name": object_of(settings, upload), "ifGenerationMatch": 0}
        yield Call("Cloud Storage", "objects.insert", about, "if it is missing")
    if not google.serverless:
        yield cluster
        yield Call("Dataproc", "CreateCluster", _json(cluster_request(settings)), "if there is no such cluster")
    yield newest
    about = {"bucket": google.bucket, "name": stop_object(settings, "<id of the running job>")}
    yield Call("Cloud Storage", "objects.get", about, "if this release runs: whether it was asked to stop", False)
    yield Call("Cloud Storage", "objects.insert", about, "if another release runs: it stops after its current batch")
    new = {"bucket": google.bucket, "name": stop_object(settings, "<id of the new job>")}
    yield Call("Cloud Storage", "objects.delete", new, "unless this release runs")
    if google.serverless:
        yield Call("Dataproc", "CreateBatch", _json(batch_request(settings, release, None)), "unless this release runs")
    else:
        yield Call("Dataproc", "SubmitJob", _json(submit_request(settings, release, None)), "unless this release runs")


def warnings(settings: Settings) -> Iterator[str]:
    """Yields what Google would choose for settings that are not set."""
    if settings.gcp.service_account is None:
        yield (
            "gcp.service_account is not set: the machines act as Compute Engine's default service account, which has "
            "too many rights or too few"
        )
    if settings.gcp.subnetwork is None and settings.backend != "rehearsal":
        yield "gcp.subnetwork is not set: the machines are in the network `default`, which may not exist"


def _json(request: Any) -> Mapping[str, Any]:
    from google.protobuf.json_format import MessageToDict

    body: dict[str, Any] = MessageToDict(type(request).pb(request))
    return body
