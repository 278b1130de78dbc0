"""Checks whether a new version can resume, before the running job stops.

Spark reports a mismatch when it plans a batch. So the submitted file plans a batch without records on this machine, on
a copy of the checkpoint's metadata: some small files.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tandem.engine.declare.job_config import MUST_NOT_GO_ON
from tandem.engine.declare.stream import RECORD_FILE
from tandem.errors import EnvironmentNotReadyError, TandemError
from tandem.job_files import STREAM
from tandem.local_spark.local_spark import CHECKPOINT, LocalSpark, scratch_folder
from tandem.platforms.dataproc.bucket import Bucket
from tandem.platforms.dataproc.release import checkpoint_of
from tandem.platforms.parity import spark_settings
from tandem.platforms.provision import streams_of
from tandem.settings.model import Settings

# Folders below that of the state: what each operator keeps, without what it has kept.
_ABOUT_STATE = ("_metadata", "_stateSchema")
_DEADLINE_S = 300.0


def doubt_of(settings: Settings, bucket: Bucket) -> str | None:
    """Returns why it is unknown whether this version can resume.

    It changes nothing.

    None if it can resume. The job checks it again at its start.

    Raises:
        TandemError: it cannot resume; the message names the reason.
    """
    with scratch_folder("fit-", settings) as name:
        home = Path(name)
        offsets = copy_metadata(settings, bucket, home / CHECKPOINT / settings.pipeline)
        if offsets is None:
            return None
        # Spark compares topics only with Kafka's.
        there, wanted = _topics(offsets), {stream.topic for stream in streams_of(settings.location)[0]}
        if there and there != wanted:
            raise _misfit(settings, f"it reads {_listed(wanted)}, but the checkpoint belongs to {_listed(there)}")
        try:
            return _planned(settings, home)
        except (EnvironmentNotReadyError, subprocess.TimeoutExpired) as error:
            return str(error)


def copy_metadata(settings: Settings, bucket: Bucket, target: Path) -> bytes | None:
    """Returns the committed offsets; None if the job has never committed any.

    Args:
        settings: the profile's settings.
        bucket: the bucket with the checkpoint.
        target: the folder for a checkpoint whose next batch has no records.
    """
    origin = f"{checkpoint_of(settings)}/{settings.pipeline}"
    folder = origin.removeprefix(f"gs://{settings.gcp.bucket}/")
    numbers = (name.rpartition("/")[2] for name in bucket.names(f"{folder}/commits/"))
    last = max((int(number) for number in numbers if number.isdigit()), default=None)
    if last is None:
        return None

    def copy(name: str) -> bytes:
        file = target / name
        file.parent.mkdir(parents=True, exist_ok=True)
        # Some of these contain the addresses of others.
        content = bucket.read(f"{folder}/{name}").replace(origin.encode(), f"file://{target}".encode())
        file.write_bytes(content)
        return content

    # First, because the running job purges the files of old batches.
    offsets = copy(f"offsets/{last}")
    (target / f"offsets/{last + 1}").write_bytes(offsets)
    state = bucket.names(f"{folder}/state/")
    about_state = [name.removeprefix(f"{folder}/") for name in state if set(_ABOUT_STATE) & set(name.split("/")[:-1])]
    recorded = [RECORD_FILE] if bucket.names(f"{folder}/{RECORD_FILE}") else []
    for name in (f"commits/{last}", "metadata", *recorded, *about_state):
        copy(name)
    return offsets


def _topics(offsets: bytes) -> set[str]:
    """Returns the topics of the offsets; empty if their format is unknown."""
    version, _, *sources = offsets.decode().splitlines()
    if version != "v1":
        return set()
    return {topic for source in sources if source.startswith("{") for topic in json.loads(source)}


def _planned(settings: Settings, home: Path) -> str | None:
    """Returns why it is unknown whether the job can start on the copy; None if it can.

    Raises:
        TandemError: it cannot.
        EnvironmentNotReadyError: there is no Spark on this machine.
        TimeoutExpired: Spark does not end in time.
    """
    # The job's own secrets are for its machines.
    here = {
        name: section.model_copy(update={"job_password": None})
        for name, section in (("kafka", settings.kafka), ("mongo", settings.mongo))
    }
    own = settings.model_copy(update={**here, "spark": spark_settings(settings)})
    spark = LocalSpark.find(settings)
    code, output = spark.run_batch(STREAM, own, home / "conf", home, "--fit", deadline_s=_DEADLINE_S)
    if code == 0:
        return None
    reason = next(iter(output.splitlines()[-1:]), "")
    if code == MUST_NOT_GO_ON and reason:
        raise _misfit(settings, reason)
    return reason or f"Spark ended with exit code {code}"


def _misfit(settings: Settings, reason: str) -> TandemError:
    return TandemError(
        f"this version cannot resume from the checkpoint, and nothing was changed: {reason}",
        hint=f"fix it, or start again: `tandem destroy`, delete the old documents if the message says so, remove "
        f"{checkpoint_of(settings)}, `tandem deploy`; docs/guides/recovery.md has each step",
    )


def _listed(topics: set[str]) -> str:
    return ", ".join(sorted(topics))
