"""Builds a release: file, package, jars and configuration."""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import tandem
from tandem.artifacts import locked
from tandem.catalog import PipelineLocation
from tandem.engine.declare.job_config import MUST_NOT_GO_ON
from tandem.engine.declare.wire_format import FOLDER
from tandem.job_files import STREAM, job_config, submitted
from tandem.platforms.parity import runtime_of
from tandem.settings.model import Settings

# How a driver logs. Spark logs every task and option; the query itself reports why it failed.
# MongoDB's connector names all ids of a batch in its exceptions.
LOG_LEVELS = {
    "root": "WARN",
    "org.apache.spark.executor.Executor": "OFF",
    "org.apache.spark.scheduler.TaskSetManager": "OFF",
    "org.apache.spark.scheduler.DAGScheduler": "ERROR",
    "org.apache.spark.sql.execution.datasources.v2": "OFF",
    "org.apache.spark.sql.util.CaseInsensitiveStringMap": "ERROR",
    "org.apache.spark.util.Utils": "OFF",
}
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Upload:
    """One file, named by its content's checksum, which is uploaded once.

    Attributes:
        name: the file's own name.
        sha256: its content's checksum, in hex.
        content: None for a jar of the lock, which is fetched before its upload.
    """

    name: str
    sha256: str
    content: bytes | None = None

    @classmethod
    def of(cls, name: str, content: bytes) -> Upload:
        """Returns the upload of a content."""
        return cls(name, hashlib.sha256(content).hexdigest(), content)

    @property
    def address(self) -> str:
        """Its name below the folder of uploads."""
        return f"{self.sha256}/{self.name}"


@dataclass(frozen=True)
class Release:
    """One version of a job.

    Attributes:
        entry: the task: ``STREAM``, ``RECONCILE`` or ``REPLAY``.
        main: the submitted file, byte for byte the one that every other platform runs.
        arguments: the file's own arguments: those that name the pipeline, and the range of a replay.
        package: its package, as a zip.
        config: the job's configuration, without secrets.
        jars: the runtime's jars of ``jars.lock``.
    """

    entry: str
    main: Upload
    arguments: tuple[str, ...]
    package: Upload
    config: Upload
    jars: tuple[Upload, ...]

    @property
    def uploads(self) -> tuple[Upload, ...]:
        """Everything."""
        return (self.main, self.package, self.config, *self.jars)

    @property
    def digest(self) -> str:
        """A digest of the whole release that is a valid label value.

        It has a letter and fifteen hex digits.
        """
        return "r" + hashlib.sha256("\n".join(upload.address for upload in self.uploads).encode()).hexdigest()[:15]


def release(settings: Settings, entry: str = STREAM) -> Release:
    """Returns the release of these settings and this source.

    Args:
        settings: the profile's settings.
        entry: the task: ``STREAM``, ``RECONCILE`` or ``REPLAY``.

    Raises:
        UsageError: there is no such pipeline.
    """
    location = settings.location
    what = submitted(location, entry)
    # The authority's file is on this machine only; the cluster's Java has its own authorities.
    # In a serverless batch, only the job itself can set the levels of its loggers.
    levels = LOG_LEVELS if settings.gcp.serverless else {}
    # A cluster restarts a job after any exit code except 0; a serverless batch is never restarted and shows the code.
    final = MUST_NOT_GO_ON if settings.gcp.serverless else 0
    config = job_config(settings, checkpoint_of(settings))
    config = replace(config, kafka=replace(config.kafka, ca=None), log_levels=levels, final_exit_code=final)
    return Release(
        entry=entry,
        main=Upload.of(what.file.name, what.file.read_bytes()),
        arguments=what.arguments,
        package=Upload.of("tandem.zip", _package(location)),
        config=Upload.of("job.json", config.to_json().encode()),
        jars=tuple(Upload(jar.file, jar.sha256) for jar in locked()[runtime_of(settings).jars].jars),
    )


def root_of(settings: Settings) -> str:
    """Returns the URI below which an environment keeps its releases and checkpoints."""
    return f"gs://{settings.gcp.bucket}/{settings.environment}"


def folder_of(settings: Settings) -> str:
    """Returns the prefix of the pipeline's objects, ending with a slash."""
    return f"{settings.environment}/{settings.pipeline}/"


def object_of(settings: Settings, upload: Upload) -> str:
    """Returns the name of an upload's object."""
    return f"{folder_of(settings)}objects/{upload.address}"


def checkpoint_of(settings: Settings) -> str:
    """Returns the folder of the pipeline's checkpoints, the same for all releases."""
    return f"{root_of(settings)}/{settings.pipeline}/checkpoint"


def _package(location: PipelineLocation) -> bytes:
    """Returns the zip of the package, with equal bytes for equal sources."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, source in sorted(_sources(location).items()):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, source)
    return content.getvalue()


def _sources(location: PipelineLocation) -> dict[str, bytes]:
    """Returns the sources of the engine and the pipeline, by their names in the zip."""
    root = Path(tandem.__file__).parent
    ours = (root / "__init__.py", root / "pipeline.py", *(root / "engine").rglob("*.py"))
    # Only __init__.py of the packages above the pipeline's.
    marks = (parent / "__init__.py" for parent in location.folder.parents[: location.package.count(".")])
    own = (*marks, *location.folder.rglob("*.py"), *location.folder.glob(f"{FOLDER}/*"))
    sources = {file.relative_to(root.parent).as_posix(): file.read_bytes() for file in ours}
    sources |= {file.relative_to(location.root).as_posix(): file.read_bytes() for file in own if file.is_file()}
    # In a zip, Python finds a package only by its __init__.py.
    modules = [PurePosixPath(name) for name in sources if name.endswith(".py")]
    packages = {parent for module in modules for parent in module.parents if parent.name}
    return {f"{package}/__init__.py": b"" for package in packages} | sources
