"""Lists the calls of ``deploy`` with their arguments, without making any."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tandem.job_files import STREAM
from tandem.platforms.dataproc.release import Release, checkpoint_of, object_of
from tandem.platforms.dataproc.requests import (
    ACTIVE_BATCHES,
    batch_request,
    batches_parent,
    cluster_request,
    environment_filter,
    jobs_filter,
    of_entry,
    stop_object,
    submit_request,
)
from tandem.platforms.dataproc.runs import STOP_DEADLINE_S
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
    google, stream = settings.gcp, of_entry(STREAM)
    place, parent = {"projectId": google.project, "region": google.region}, {"parent": batches_parent(settings)}
    theirs = f"{environment_filter(settings)} AND {stream}"
    yield Call("Dataproc", "ListJobs", {**place, "filter": theirs}, changes=False)
    yield Call("Dataproc", "ListBatches", {**parent, "filter": f"{ACTIVE_BATCHES} AND {theirs}"}, changes=False)
    mine = f"{jobs_filter(settings)} AND {stream}"
    jobs = Call("Dataproc", "ListJobs", {**place, "filter": mine}, changes=False)
    batches = Call("Dataproc", "ListBatches", {**parent, "filter": mine}, changes=False)
    newest, elsewhere = (batches, jobs) if google.serverless else (jobs, batches)
    yield Call("Cloud Storage", "objects.list", {"bucket": google.bucket}, changes=False)
    for reference in (settings.kafka.job_password, settings.mongo.job_password):
        name = (reference or "").removeprefix("gsm:")
        yield Call("Secret Manager", "GetSecretVersion", {"name": name}, changes=False)
    yield elsewhere
    yield Call("Dataproc", "ListJobs", place, changes=False)
    yield Call("Dataproc", "ListBatches", {**parent, "filter": ACTIVE_BATCHES}, changes=False)
    cluster = Call("Dataproc", "GetCluster", {**place, "clusterName": google.cluster}, changes=False)
    if not google.serverless:
        yield cluster
    yield newest
    read = {"bucket": google.bucket, "prefix": checkpoint_of(settings).removeprefix(f"gs://{google.bucket}/")}
    when = "unless the newest job has this release: checks whether it can resume from the checkpoint"
    yield Call("Cloud Storage", "objects.list, objects.get", read, when, changes=False)
    for topic, options in topics_of(settings.kafka, *streams_of(settings.location)).items():
        yield Call("Kafka", "CreateTopics", {"topic": topic, **options}, "if it is missing")
    yield Call("MongoDB", "create, createIndexes", {"indexes": indexes_of(settings.location)}, "if missing")
    for upload in release.uploads:
        about = {"bucket": google.bucket, "name": object_of(settings, upload), "ifGenerationMatch": 0}
        yield Call("Cloud Storage", "objects.insert", about, "if it is missing")
    if not google.serverless:
        yield cluster
        when = "if there is no such cluster, or it is being deleted"
        yield Call("Dataproc", "CreateCluster", _json(cluster_request(settings)), when)
    yield newest
    about = {"bucket": google.bucket, "name": stop_object(settings, "<id of the running job>")}
    yield Call("Cloud Storage", "objects.get", about, "if this release runs: whether it was asked to stop", False)
    when = "if another release runs, or this one was asked to stop: it stops after its current batch"
    yield Call("Cloud Storage", "objects.insert", about, when)
    when = f"if it has not stopped after {STOP_DEADLINE_S:.0f} s"
    if google.serverless:
        yield Call("Dataproc", "CancelOperation", {"name": "<operation of the running batch>"}, when)
    else:
        yield Call("Dataproc", "CancelJob", {**place, "jobId": "<id of the running job>"}, when)
    yield Call("Cloud Storage", "objects.delete", about, "when it has stopped")
    new = {"bucket": google.bucket, "name": stop_object(settings, "<id of the new job>")}
    when = "unless this release runs and was not asked to stop"
    yield Call("Cloud Storage", "objects.delete", new, when)
    if google.serverless:
        yield Call("Dataproc", "CreateBatch", _json(batch_request(settings, release, None)), when)
    else:
        yield Call("Dataproc", "SubmitJob", _json(submit_request(settings, release, None)), when)


def warnings(settings: Settings) -> Iterator[str]:
    """Yields what Google would choose for settings that are not set.

    Also says whether ``deploy`` asks.
    """
    if settings.protected:
        profile = settings.profile
        yield (
            f"the profile {profile} is protected: if this version cannot be checked against the checkpoint, "
            f"`tandem deploy` asks for the profile's name, or needs --confirm {profile}"
        )
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
