"""Gives each driver an identity and places for its output."""

from __future__ import annotations

import json
from functools import partial

from google.cloud import dataproc_v1 as dataproc
from google.cloud.storage import Client

from tandem.runtimes import runtimes
from tandem_rehearsal.batch_controller import account_of, as_job
from tandem_rehearsal.cloud_logging import CloudLogging
from tandem_rehearsal.driver_output import LinesInLog, Output, PiecesInBucket, both
from tandem_rehearsal.driver_runner import DriverRunner, RunningDriver

DRIVER_LOG = "dataproc:dataproc.logging.stackdriver.job.driver.enable"
# The account of a cluster that names none.
_DEFAULT_ACCOUNT = "123456789012-compute@developer.gserviceaccount.com"
# The storage stand-in loses empty folders, which an older Spark lists.
_LISTED = ("offsets", "commits")


class DriverMachines:
    """Starts drivers on clusters and as serverless batches.

    Args:
        region: the region of both.
        runner: starts programs.
        storage: Google's client of the storage stand-in.
        logs: Cloud Logging.
    """

    def __init__(self, region: str, runner: DriverRunner, storage: Client, logs: CloudLogging) -> None:
        self._region, self._runner, self._storage, self._logs = region, runner, storage, logs

    def of_cluster(self, job: dataproc.Job, cluster: dataproc.Cluster) -> RunningDriver:
        """Starts a job's driver, with its output in the cluster's bucket.

        If the cluster logs it, the output is in a log, too.
        """
        config = cluster.config
        output: Output = PiecesInBucket(self._storage, job.driver_output_resource_uri)
        if config.software_config.properties.get(DRIVER_LOG) == "true":
            labels = {"region": self._region, "job_id": job.reference.job_id, "job_uuid": job.job_uuid}
            write = partial(self._logs.write, "dataproc.job.driver", "cloud_dataproc_job", labels)
            output = both(output, LinesInLog(lambda line: write(json_payload={"message": line})))
        account = config.gce_cluster_config.service_account or _DEFAULT_ACCOUNT
        return self._runner.launch(job, runtimes().default, account, output)

    def of_batch(self, batch: dataproc.Batch) -> RunningDriver:
        """Starts a serverless batch's driver, whose output is in a log and nowhere else."""
        job = as_job(batch)
        self._keep_folders(job)
        labels = {"location": self._region, "batch_id": batch.name.rpartition("/")[2]}
        write = partial(self._logs.write, "dataproc.googleapis.com%2Foutput", "cloud_dataproc_batch", labels)
        output = LinesInLog(lambda line: write(text_payload=line))
        return self._runner.launch(job, runtimes().serverless, account_of(batch), output)

    def _keep_folders(self, job: dataproc.Job) -> None:
        """Writes a hidden object into each folder that Spark lists before writing."""
        arguments = list(job.pyspark_job.args)
        name, config = _split(arguments[arguments.index("--config") + 1])
        content = self._storage.bucket(name).blob(config).download_as_bytes()
        bucket, checkpoint = _split(json.loads(content)["checkpoint"])
        for folder in _LISTED:
            self._storage.bucket(bucket).blob(f"{checkpoint}/{folder}/.kept").upload_from_string(b"")


def _split(uri: str) -> tuple[str, str]:
    """Returns a URI's bucket and the name in it."""
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    return bucket, name
