"""Builds the requests to Dataproc as values: the plan shows exactly what is sent."""

from __future__ import annotations

import hashlib
import uuid
from typing import TYPE_CHECKING

from tandem.job_files import STREAM, with_limits
from tandem.platforms.dataproc.memory import with_memory
from tandem.platforms.dataproc.release import LOG_LEVELS, Release, Upload, folder_of, object_of, root_of
from tandem.platforms.parity import runtime_of
from tandem.settings.google import GoogleSettings
from tandem.settings.model import Settings

if TYPE_CHECKING:
    from google.cloud.dataproc_v1 import (
        CreateBatchRequest,
        CreateClusterRequest,
        InstanceGroupConfig,
        SubmitJobRequest,
    )

LABEL = "tandem"
ENVIRONMENT_LABEL = "tandem-environment"
RELEASE_LABEL = "tandem-release"
# The label of the submitted entry: ``STREAM``, ``RECONCILE`` or ``REPLAY``.
ENTRY_LABEL = "tandem-entry"
# Filters for the active ones. By its reference, the one of jobs leaves out a job that waits for its restart.
ACTIVE_JOBS = "status.state = ACTIVE"
ACTIVE_BATCHES = "(state = PENDING OR state = RUNNING OR state = CANCELLING)"
# The scope that the login and the machines request; roles limit what they may do.
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_NAMESPACE = uuid.UUID("6f5b0f6e-3f0c-4f6c-9d4e-7b0f5a1c2d3e")
# Dataproc's maxima in an hour and in a job's life. It gives up after four failures in ten minutes.
_RESTARTS_AN_HOUR, _RESTARTS = 10, 240
_CLUSTER_PROPERTIES = {
    # Google's images put Conscrypt before Java's own TLS. Kafka's and MongoDB's clients are tested with Java's.
    "dataproc:dataproc.conscrypt.provider.enable": "false",
    # The drivers' output goes to Cloud Logging, too.
    "dataproc:dataproc.logging.stackdriver.job.driver.enable": "true",
}
_BATCH_PROPERTIES = {"dataproc.artifacts.remove": "conscrypt"}
# The event log of a job without an end has none either.
_EVENT_LOG_OFF = {"spark.eventLog.enabled": "false"}
# Small partitions avoid spills in a batch's joins.
_BATCH = {"spark.sql.shuffle.partitions": "32"}


def place_of(google: GoogleSettings) -> str:
    """Returns the options of Google's command for the project and the region.

    Without them, it would act on the user's own default project.
    """
    return f"--region={google.region} --project={google.project}"


def label_of(settings: Settings) -> str:
    """Returns the label's value of a pipeline's jobs."""
    return label_value(settings.pipeline)


def label_value(name: str) -> str:
    """Returns a name as a valid label value: RFC 1035, no underscores."""
    return name.replace("_", "-")


def name_of(label: str) -> str:
    """Returns the name of a ``label_value``; names have no dashes."""
    return label.replace("-", "_")


def environment_of(settings: Settings) -> str:
    """Returns an environment's label value, equal for shared checkpoints.

    It begins with the environment's name; the rest is a digest of its folder in the bucket.
    """
    return f"{settings.environment}-{hashlib.sha256(root_of(settings).encode()).hexdigest()[:8]}"


def environment_filter(settings: Settings) -> str:
    """Returns the filter for the jobs or serverless batches of an environment."""
    return f"labels.{ENVIRONMENT_LABEL} = {environment_of(settings)}"


def jobs_filter(settings: Settings) -> str:
    """Returns the filter for a pipeline's runs in its environment."""
    return f"labels.{LABEL} = {label_of(settings)} AND {environment_filter(settings)}"


def of_entry(entry: str) -> str:
    """Returns the filter for the runs of a submitted module, such as ``STREAM``."""
    return f"labels.{ENTRY_LABEL} = {label_value(entry)}"


def uri(settings: Settings, upload: Upload) -> str:
    """Returns an upload's URI."""
    return f"gs://{settings.gcp.bucket}/{object_of(settings, upload)}"


def stop_object(settings: Settings, job: str) -> str:
    """Returns the name of the object that asks a job to stop."""
    return f"{folder_of(settings)}stop/{job}"


def cluster_request(settings: Settings) -> CreateClusterRequest:
    """Returns the request that creates the cluster."""
    from google.cloud import dataproc_v1 as dataproc
    from google.protobuf.duration_pb2 import Duration

    google = settings.gcp
    properties = dict(_CLUSTER_PROPERTIES)
    if google.workers == 0:
        properties["dataproc:dataproc.allow.zero.workers"] = "true"
    config = dataproc.ClusterConfig(
        # For the drivers' output. Temporary files go to a bucket of Google's, which removes them after ninety days.
        config_bucket=google.bucket or "",
        gce_cluster_config=dataproc.GceClusterConfig(
            service_account=google.service_account or "",
            service_account_scopes=[SCOPE],
            subnetwork_uri=google.subnetwork or "",
            # It reaches Kafka and MongoDB through Cloud NAT.
            internal_ip_only=True,
        ),
        master_config=_machines(google, 1),
        worker_config=_machines(google, google.workers),
        software_config=dataproc.SoftwareConfig(image_version=runtime_of(settings).image, properties=properties),
        lifecycle_config=dataproc.LifecycleConfig(idle_delete_ttl=Duration(seconds=60 * google.idle_delete_minutes)),
    )
    cluster = dataproc.Cluster(
        project_id=google.project or "",
        cluster_name=google.cluster,
        config=config,
        labels=_owner(settings),
    )
    return dataproc.CreateClusterRequest(project_id=google.project or "", region=google.region or "", cluster=cluster)


def _machines(google: GoogleSettings, number: int) -> InstanceGroupConfig:
    from google.cloud import dataproc_v1 as dataproc

    disk = dataproc.DiskConfig(boot_disk_type=google.disk_type, boot_disk_size_gb=google.disk_gb)
    return dataproc.InstanceGroupConfig(num_instances=number, machine_type_uri=google.machine, disk_config=disk)


def batches_parent(settings: Settings) -> str:
    """Returns the parent resource of serverless batches."""
    return f"projects/{settings.gcp.project}/locations/{settings.gcp.region}"


def submit_request(settings: Settings, release: Release, predecessor: str | None) -> SubmitJobRequest:
    """Returns the request that submits a release to a cluster.

    Its ids follow from the release and the predecessor, so that two equal submissions at once create one job.

    Args:
        settings: the profile's settings.
        release: the release to submit.
        predecessor: the id of the newest job of the same file; None if there was none.
    """
    from google.cloud import dataproc_v1 as dataproc

    google = settings.gcp
    job_id, request_id = _ids(settings, release, predecessor)
    # A failed batch is repeated by the user, not by Dataproc.
    streams = release.entry == STREAM
    restarts = {"max_failures_per_hour": _RESTARTS_AN_HOUR, "max_failures_total": _RESTARTS} if streams else {}
    job = dataproc.Job(
        reference=dataproc.JobReference(project_id=google.project or "", job_id=job_id),
        placement=dataproc.JobPlacement(cluster_name=google.cluster),
        pyspark_job=dataproc.PySparkJob(
            main_python_file_uri=uri(settings, release.main),
            args=_arguments(settings, release, job_id),
            python_file_uris=[uri(settings, release.package)],
            jar_file_uris=[uri(settings, jar) for jar in release.jars],
            properties=_properties(settings, release),
            logging_config=dataproc.LoggingConfig(
                driver_log_levels={
                    name: getattr(dataproc.LoggingConfig.Level, level) for name, level in LOG_LEVELS.items()
                }
            ),
        ),
        labels=_labels(settings, release),
        scheduling=dataproc.JobScheduling(**restarts),
    )
    return dataproc.SubmitJobRequest(
        project_id=google.project or "", region=google.region or "", job=job, request_id=request_id
    )


def batch_request(settings: Settings, release: Release, predecessor: str | None) -> CreateBatchRequest:
    """Returns the request that submits a release as a serverless batch.

    See ``submit_request``.

    Its driver is not restarted after a failure, as batches have no restart rule.
    """
    from google.cloud import dataproc_v1 as dataproc
    from google.protobuf.duration_pb2 import Duration

    google = settings.gcp
    job_id, request_id = _ids(settings, release, predecessor)
    # A batch's id may have at most 63 letters.
    batch_id = f"{label_of(settings)[:40].strip('-')}-{job_id.rpartition('-')[2]}"
    execution = dataproc.ExecutionConfig(
        service_account=google.service_account or "",
        # By default, a batch acts as its creator since runtime 3.0, and a person may not read the secrets.
        authentication_config=dataproc.AuthenticationConfig(
            user_workload_authentication_type=dataproc.AuthenticationConfig.AuthenticationType.SERVICE_ACCOUNT
        ),
        # By default, Google ends a batch after four hours.
        ttl=Duration(seconds=3600 * google.ttl_hours),
        **({"subnetwork_uri": google.subnetwork} if google.subnetwork else {}),
    )
    batch = dataproc.Batch(
        pyspark_batch=dataproc.PySparkBatch(
            main_python_file_uri=uri(settings, release.main),
            args=_arguments(settings, release, batch_id),
            python_file_uris=[uri(settings, release.package)],
            jar_file_uris=[uri(settings, jar) for jar in release.jars],
        ),
        runtime_config=dataproc.RuntimeConfig(
            version=runtime_of(settings).image, properties=_properties(settings, release) | _BATCH_PROPERTIES
        ),
        environment_config=dataproc.EnvironmentConfig(execution_config=execution),
        labels=_labels(settings, release),
    )
    return dataproc.CreateBatchRequest(
        parent=batches_parent(settings), batch=batch, batch_id=batch_id, request_id=request_id
    )


def _ids(settings: Settings, release: Release, predecessor: str | None) -> tuple[str, str]:
    """Returns the ids of the job and of the request."""
    google = settings.gcp
    place = (google.project or "", google.region or "", settings.pipeline)
    intent = "/".join((*place, release.digest, *release.arguments, predecessor or ""))
    request_id = str(uuid.uuid5(_NAMESPACE, intent))
    name = label_of(settings) if release.entry == STREAM else f"{label_of(settings)}-{release.entry}"
    return f"{name}-{release.digest[:8]}-{request_id[:8]}", request_id


def _arguments(settings: Settings, release: Release, name: str) -> list[str]:
    stop = ["--stop-when", f"gs://{settings.gcp.bucket}/{stop_object(settings, name)}"]
    config = ["--config", uri(settings, release.config)]
    return [*config, *release.arguments, *(stop if release.entry == STREAM else ["--report", name])]


def _properties(settings: Settings, release: Release) -> dict[str, str]:
    spark = {**_EVENT_LOG_OFF, **with_memory(settings)}
    return with_limits(spark if release.entry == STREAM else {**spark, **_BATCH})


def _labels(settings: Settings, release: Release) -> dict[str, str]:
    return {**_owner(settings), RELEASE_LABEL: release.digest, ENTRY_LABEL: label_value(release.entry)}


def _owner(settings: Settings) -> dict[str, str]:
    return {LABEL: label_of(settings), ENVIRONMENT_LABEL: environment_of(settings)}
