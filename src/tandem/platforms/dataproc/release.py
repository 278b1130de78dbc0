"""What is uploaded: the file that is submitted, the package behind it, its jars and what the job is told."""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

import tandem
from tandem.artifacts import locked
from tandem.catalog import PipelineLocation
from tandem.engine.declare.avro_schema import FOLDER
from tandem.engine.declare.job_config import MUST_NOT_GO_ON
from tandem.job_files import STREAM, job_config, submitted
from tandem.platforms.parity import runtime_of
from tandem.settings.model import Settings

# How a driver logs. Spark tells of every task and of every option; what fails the query is told by the query.
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
_PREFIX = "tandem"
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Upload:
    """One file, under a name that its content decides: what has this name need not be uploaded again, nor ever changes.

    Attributes:
        name: the file's own name.
        sha256: of its content, in hex.
        content: None for a jar of the lock, which is fetched when it has to be uploaded.
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
    """All that one version of a job consists of.

    Attributes:
        entry: what it does: ``STREAM`` or ``RECONCILE``.
        main: the file that is submitted, byte for byte the one that every other platform runs.
        arguments: those by which the file knows the pipeline.
        package: the package behind it, as a zip.
        config: what the job is told; no secret is in it.
        jars: those of ``jars.lock`` that go with the runtime.
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
        """Sixteen hex digits; they change when any byte of it does."""
        return hashlib.sha256("\n".join(upload.address for upload in self.uploads).encode()).hexdigest()[:16]


def release(settings: Settings, entry: str = STREAM) -> Release:
    """Returns what these settings and this source make.

    Args:
        settings: the profile's.
        entry: what is submitted.

    Raises:
        UsageError: there is no such pipeline.
    """
    location = settings.location
    what = submitted(location, entry)
    # The file of an authority is here and not on the cluster, whose Java has its own.
    # To a serverless batch nothing but the job itself can say how each of its loggers logs.
    levels = LOG_LEVELS if settings.gcp.serverless else {}
    # A cluster's job is restarted after any other exit code than 0; a serverless batch never is, and shows the code.
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


def folder_of(settings: Settings) -> str:
    """Returns the prefix of all that the pipeline has in the bucket; it ends with a slash."""
    return f"{_PREFIX}/{settings.pipeline}/"


def object_of(settings: Settings, upload: Upload) -> str:
    """Returns the name of an upload's object."""
    return f"{folder_of(settings)}objects/{upload.address}"


def checkpoint_of(settings: Settings) -> str:
    """Returns the folder of the checkpoint, one for all releases; below it the pipeline has its own."""
    return f"gs://{settings.gcp.bucket}/{folder_of(settings)}checkpoint"


def _package(location: PipelineLocation) -> bytes:
    """Returns the zip that Python imports from: the same bytes for the same source, whenever and wherever."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, source in sorted(_sources(location).items()):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, source)
    return content.getvalue()


def _sources(location: PipelineLocation) -> dict[str, bytes]:
    """Returns the engine's modules and the pipeline's, with its schemas, by their names in the zip."""
    root = Path(tandem.__file__).parent
    found = {root.parent: [root / "__init__.py", root / "pipeline.py", *(root / "engine").rglob("*.py")]}
    found.setdefault(location.root, []).extend(
        (*location.folder.rglob("*.py"), *location.folder.glob(f"{FOLDER}/*.avsc"))
    )
    sources = {file.relative_to(base).as_posix(): file.read_bytes() for base, files in found.items() for file in files}
    # Of the packages above the pipeline's only the marks. In a zip, Python needs one in each package.
    for package in (location.folder, *location.folder.parents[: location.package.count(".")]):
        mark = package / "__init__.py"
        sources[mark.relative_to(location.root).as_posix()] = mark.read_bytes() if mark.is_file() else b""
    return sources
