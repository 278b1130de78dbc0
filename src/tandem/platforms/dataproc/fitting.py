"""Whether what is to be submitted can go on with the checkpoint: asked before the job that uses it is stopped.

What of a change fits is Spark's to say, and it says so when it plans a batch. So a batch without records is planned on
this machine, by the file that is submitted, on a copy of what the checkpoint tells about itself: some small files.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import structlog

from tandem.engine.declare.job_config import MUST_NOT_GO_ON
from tandem.engine.declare.stream import RECORD_FILE
from tandem.errors import EnvironmentNotReadyError, TandemError
from tandem.job_files import STREAM
from tandem.local_spark.local_spark import CHECKPOINT, LocalSpark, scratch_folder
from tandem.platforms.dataproc.bucket import Bucket
from tandem.platforms.dataproc.release import checkpoint_of
from tandem.platforms.provision import streams_of
from tandem.settings.model import Settings

# Folders below that of the state: what each operator keeps, without what it has kept.
_ABOUT_STATE = ("_metadata", "_stateSchema")
_DEADLINE_S = 300.0
_log = structlog.get_logger(__name__)


def check_fit(settings: Settings, bucket: Bucket) -> None:
    """Raises when the pipeline, as it is here, cannot go on with its checkpoint. Nothing is changed to find out.

    Where that cannot be found out, it is said, and the job will find it.

    Raises:
        TandemError: it cannot, and why.
    """
    with scratch_folder("fit-", settings) as name:
        home = Path(name)
        offsets = copy_metadata(settings, bucket, home / CHECKPOINT / settings.pipeline)
        if offsets is None:
            return
        # Spark compares topics only with what Kafka has.
        there, wanted = _topics(offsets), {stream.topic for stream in streams_of(settings.location)[0]}
        if there and there != wanted:
            raise _misfit(settings, f"it reads {_listed(wanted)}, and the checkpoint is of {_listed(there)}")
        try:
            reason = _planned(settings, home)
        except (EnvironmentNotReadyError, subprocess.TimeoutExpired) as error:
            _log.warning("whether this version fits the checkpoint, the job will find out", reason=str(error))
            return
        if reason:
            raise _misfit(settings, reason)


def copy_metadata(settings: Settings, bucket: Bucket, target: Path) -> bytes | None:
    """Returns the offsets up to which the job has committed; None when it has never committed any.

    Args:
        settings: the profile's.
        bucket: where the checkpoint is.
        target: gets a checkpoint on which the next thing to do is a batch without records.
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
        # Some of these name others by their address.
        content = bucket.read(f"{folder}/{name}").replace(origin.encode(), f"file://{target}".encode())
        file.write_bytes(content)
        return content

    # The job runs meanwhile, and purges the files of old batches: these first.
    offsets = copy(f"offsets/{last}")
    (target / f"offsets/{last + 1}").write_bytes(offsets)
    state = bucket.names(f"{folder}/state/")
    about_state = [name.removeprefix(f"{folder}/") for name in state if set(_ABOUT_STATE) & set(name.split("/")[:-1])]
    recorded = [RECORD_FILE] if bucket.names(f"{folder}/{RECORD_FILE}") else []
    for name in (f"commits/{last}", "metadata", *recorded, *about_state):
        copy(name)
    return offsets


def _topics(offsets: bytes) -> set[str]:
    """Returns the topics that offsets are of; none when they are written in another way than we know."""
    version, _, *sources = offsets.decode().splitlines()
    if version != "v1":
        return set()
    return {topic for source in sources if source.startswith("{") for topic in json.loads(source)}


def _planned(settings: Settings, home: Path) -> str | None:
    """Returns why the job cannot start on the copy; None when it can, or when nobody can tell.

    Raises:
        EnvironmentNotReadyError: there is no Spark on this machine.
        TimeoutExpired: Spark does not come to an end.
    """
    # The job's own secrets are for its machines.
    here = {
        name: section.model_copy(update={"job_password": None})
        for name, section in (("kafka", settings.kafka), ("mongo", settings.mongo))
    }
    own = settings.model_copy(update=here)
    spark = LocalSpark.find(settings)
    code, said = spark.run_batch(STREAM, own, home / "conf", home, "--fit", deadline_s=_DEADLINE_S)
    if code == 0:
        return None
    reason = next(iter(said.splitlines()[-1:]), "")
    if code == MUST_NOT_GO_ON and reason:
        return reason
    _log.warning(
        "whether this version fits the checkpoint, the job will find out",
        reason=reason or f"Spark ended with exit code {code}",
    )
    return None


def _misfit(settings: Settings, reason: str) -> TandemError:
    return TandemError(
        f"this version cannot go on with the checkpoint, and nothing was changed: {reason}",
        hint=f"mend it; or begin anew: `tandem destroy`, remove {checkpoint_of(settings)}, `tandem deploy`",
    )


def _listed(topics: set[str]) -> str:
    return ", ".join(sorted(topics))
