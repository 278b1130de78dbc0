"""The requests to Dataproc, as values: what is planned is what is sent."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from tandem.platforms.dataproc.release import Release, Upload, folder_of, object_of
from tandem.platforms.job_files import with_limits
from tandem.runtimes import runtimes
from tandem.settings.model import Settings

if TYPE_CHECKING:
    from google.cloud.dataproc_v1 import CreateClusterRequest, SubmitJobRequest

LABEL = "tandem"
RELEASE_LABEL = "tandem-release"
# Which file of the pipeline was submitted.
ENTRY_LABEL = "tandem-entry"
STREAM, RECONCILE = "join_stream", "reconcile"
_NAMESPACE = uuid.UUID("6f5b0f6e-3f0c-4f6c-9d4e-7b0f5a1c2d3e")
# As often as Dataproc allows in an hour. More than four in ten minutes it calls thrashing, and gives up.
_RESTARTS_AN_HOUR = 10
# Small partitions keep a batch's joins from having to spill.
_BATCH = {"spark.sql.shuffle.partitions": "32"}
# Spark tells of every task and of every option; what fails the query is told by the query. MongoDB's connector names
# all ids of a batch in its exceptions.
_LEVELS = {
    "root": "WARN",
    "org.apache.spark.executor.Executor": "OFF",
    "org.apache.spark.scheduler.TaskSetManager": "OFF",
    "org.apache.spark.scheduler.DAGScheduler": "ERROR",
    "org.apache.spark.sql.execution.datasources.v2": "OFF",
    "org.apache.spark.sql.util.CaseInsensitiveStringMap": "ERROR",
    "org.apache.spark.util.Utils": "OFF",
}


def label_of(settings: Settings) -> str:
    """Returns the label's value by which jobs of a pipeline are found."""
    return label_value(settings.pipeline)


def label_value(pipeline: str) -> str:
    """Returns a pipeline's name as a label may have it."""
    return pipeline.lower()[:63]


def jobs_filter(settings: Settings) -> str:
    """Returns what jobs of a pipeline are listed by."""
    return f"labels.{LABEL} = {label_of(settings)}"


def uri(settings: Settings, upload: Upload) -> str:
    """Returns where an upload is."""
    return f"gs://{settings.gcp.bucket}/{object_of(settings, upload)}"


def stop_object(settings: Settings, job: str) -> str:
    """Returns the name of the object whose presence tells a job to stop."""
    return f"{folder_of(settings)}stop/{job}"


def cluster_request(settings: Settings) -> CreateClusterRequest:
    """Returns the request that creates the cluster."""
    from google.cloud import dataproc_v1 as dataproc
    from google.protobuf.duration_pb2 import Duration

    google = settings.gcp
    properties = {"dataproc:dataproc.allow.zero.workers": "true"} if google.workers == 0 else {}
    config = dataproc.ClusterConfig(
        # Here drivers' output goes; else Google makes two buckets of its own.
        config_bucket=google.bucket or "",
        temp_bucket=google.bucket or "",
        gce_cluster_config=dataproc.GceClusterConfig(
            service_account=google.service_account or "",
            service_account_scopes=["https://www.googleapis.com/auth/cloud-platform"],
            subnetwork_uri=google.subnetwork or "",
            # To Kafka and MongoDB it goes by Cloud NAT.
            internal_ip_only=True,
        ),
        master_config=dataproc.InstanceGroupConfig(num_instances=1, machine_type_uri=google.machine),
        worker_config=dataproc.InstanceGroupConfig(num_instances=google.workers, machine_type_uri=google.machine),
        software_config=dataproc.SoftwareConfig(image_version=runtimes().default.image, properties=properties),
        lifecycle_config=dataproc.LifecycleConfig(idle_delete_ttl=Duration(seconds=60 * google.idle_delete_minutes)),
    )
    cluster = dataproc.Cluster(
        project_id=google.project or "",
        cluster_name=google.cluster,
        config=config,
        labels={LABEL: label_of(settings)},
    )
    return dataproc.CreateClusterRequest(project_id=google.project or "", region=google.region or "", cluster=cluster)


def submit_request(settings: Settings, release: Release, predecessor: str | None) -> SubmitJobRequest:
    """Returns the request that submits a release: the stream, which is told when to stop, or a batch.

    Its ids follow from what is submitted and after what, so that two who do the same at the same time submit one job.

    Args:
        settings: the profile's.
        release: what is submitted.
        predecessor: the id of the newest job of the same file; None when there was none.
    """
    from google.cloud import dataproc_v1 as dataproc

    google = settings.gcp
    intent = "/".join((google.project or "", google.region or "", settings.pipeline, release.digest, predecessor or ""))
    request_id = str(uuid.uuid5(_NAMESPACE, intent))
    streams = release.entry == STREAM
    name = settings.pipeline if streams else f"{settings.pipeline}-{release.entry}"
    job_id = f"{name}-{release.digest[:8]}-{request_id[:8]}"
    stop = ["--stop-when", f"gs://{google.bucket}/{stop_object(settings, job_id)}"] if streams else []
    # What failed half-way may be done again, but by whoever asked for it.
    restarts = {"max_failures_per_hour": _RESTARTS_AN_HOUR, "max_failures_total": 240} if streams else {}
    job = dataproc.Job(
        reference=dataproc.JobReference(project_id=google.project or "", job_id=job_id),
        placement=dataproc.JobPlacement(cluster_name=google.cluster),
        pyspark_job=dataproc.PySparkJob(
            main_python_file_uri=uri(settings, release.main),
            args=["--config", uri(settings, release.config), *stop],
            python_file_uris=[uri(settings, release.package)],
            jar_file_uris=[uri(settings, jar) for jar in release.jars],
            properties=with_limits(settings.spark if streams else {**settings.spark, **_BATCH}),
            logging_config=dataproc.LoggingConfig(
                driver_log_levels={
                    name: getattr(dataproc.LoggingConfig.Level, level) for name, level in _LEVELS.items()
                }
            ),
        ),
        labels={LABEL: label_of(settings), RELEASE_LABEL: release.digest, ENTRY_LABEL: release.entry},
        scheduling=dataproc.JobScheduling(**restarts),
    )
    return dataproc.SubmitJobRequest(
        project_id=google.project or "", region=google.region or "", job=job, request_id=request_id
    )
