"""Keeps empty folders, which the storage stand-in loses but an older Spark lists in a checkpoint."""

from __future__ import annotations

import json

from google.cloud import dataproc_v1 as dataproc
from google.cloud.storage import Bucket

_LISTED = ("offsets", "commits")


def keep_folders(bucket: Bucket, job: dataproc.Job) -> None:
    """Writes a hidden object into each checkpoint folder that Spark lists before it writes there.

    Args:
        bucket: the bucket with the job's configuration and checkpoint.
        job: the job to run.
    """
    arguments = list(job.pyspark_job.args)
    config = _name(bucket, arguments[arguments.index("--config") + 1])
    checkpoint = _name(bucket, json.loads(bucket.blob(config).download_as_bytes())["checkpoint"])
    for folder in _LISTED:
        bucket.blob(f"{checkpoint}/{folder}/.kept").upload_from_string(b"")


def _name(bucket: Bucket, uri: str) -> str:
    return uri.removeprefix(f"gs://{bucket.name}/")
