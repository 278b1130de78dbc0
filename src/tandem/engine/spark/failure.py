"""Explains a failed query in one line, and decides whether a restart can help."""

from __future__ import annotations

import re
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from py4j.protocol import Py4JJavaError

from tandem.engine.declare.job_config import FAILED, MUST_NOT_GO_ON

if TYPE_CHECKING:
    from pyspark.errors import StreamingQueryException

_ANOTHER = "another driver uses the same checkpoint; this one stops"
_AGAIN = "start with a new checkpoint: the job re-reads the topics and writes no duplicates (docs/guides/recovery.md)"
# By Spark's error classes and Kafka's exceptions. The first match counts. An error may quote a record, so each
# repetition here and below has a bound or a fixed start: no pattern scans to the end from every character.
_FINAL = (
    (
        r"KAFKA_MALFORMED_RECORD_TIMESTAMP|that overflows when converting to Spark's microsecond-precision",
        "a record's Kafka timestamp is too large for Spark, for example in nanoseconds: the topic has "
        "message.timestamp.type=CreateTime. Set LogAppendTime for new records; Spark cannot skip this one, so "
        "copy the other records to a new topic and start with a new checkpoint",
    ),
    (
        r"Some data may have been lost|KAFKA_DATA_LOSS|"
        r"OffsetOutOfRangeException|PARTITION_OFFSET_CHANGED|KafkaIllegalStateException",
        "records that the job had not read are gone from Kafka (retention, or a recreated topic): "
        f"the job does not continue without them; {_AGAIN}",
    ),
    (
        r"STATE_STORE_\w{0,80}SCHEMA\w{0,80}|STATE_STORE_INCOMPATIBLE\w{0,80}|"
        r"STREAMING_STATEFUL_OPERATOR_NOT_MATCH\w{0,80}|INCOMPATIBLE_LOG\w{0,80}|sources in the checkpoint offsets",
        f"the checkpoint was written by an incompatible version of the pipeline; {_AGAIN}",
    ),
    (
        r"CANNOT_LOAD_STATE_STORE|CANNOT_LOAD_CHECKPOINT\w{0,80}|STATE_STORE_\w{0,80}CHECKSUM\w{0,80}|MALFORMED_LOG\w{0,80}|"
        r"Incomplete log|STREAMING_STATEFUL_OPERATOR_MISSING_STATE_DIRECTORY|CHECKPOINT_FILE_CHECKSUM\w{0,80}|"
        r"STREAM_STREAM_JOIN_INCONSISTENT\w{0,80}|Log file was malformed|batch \d{1,19} doesn't exist|"
        r"BATCH_METADATA_NOT_FOUND|STREAMING_CHECKPOINT\w{0,80}",
        f"the checkpoint is damaged; {_AGAIN}",
    ),
    (
        r"Not authorized to access (?:topics|group): [^\n\]]{1,200}\]?|(?:Topic|Group|Cluster)AuthorizationException",
        "Kafka does not allow the job's user to read a topic: grant READ and DESCRIBE on it (docs/guides/gcp.md lists "
        "the ACLs); then restart the job, it resumes where it stopped",
    ),
    (
        r"SaslAuthenticationException",
        "Kafka refuses kafka.username with this password; fix this and restart the job, it resumes where it stopped",
    ),
    (
        r"CONCURRENT_STREAM_LOG_UPDATE|Multiple streaming queries are concurrently using",
        _ANOTHER,
    ),
)
# Spark's exit code for a Java that is out of memory (org.apache.spark.util.SparkExitCode).
_OUT_OF_MEMORY_CODE = 52
_MEMORY = re.compile(rf"\bOutOfMemoryError\b|Command exited with code {_OUT_OF_MEMORY_CODE}\b")
_OUT_OF_MEMORY = (
    "Java ran out of memory: a batch reads the whole backlog in Kafka, and this one needs a larger heap. "
    "Increase spark.driver.memory, in a cluster spark.executor.memory (docs/guides/recovery.md); "
    "the job resumes where it stopped"
)
# Java's errors about a value of a setting.
_SETTING = re.compile(r"\b(?:Spark)?(?:IllegalArgument|NumberFormat)Exception\b")
# The messages of Hadoop's connector if Cloud Storage refuses a request or does not answer.
_STORAGE = re.compile(r"(?:\bError \w{1,80}ing (?:\w{1,80} ){0,9}|\bUpload failed for )'?(gs://[^\s']+)")
_STATUS = re.compile(r"GoogleJsonResponseException: (\d{3}[^\n]*)")
_LIMIT = 500
# The source of a row's error: a frame of a Python function in a worker, or the call that made an expression.
_PLACE = re.compile(r'File "(?P<file>[^"\n]+)", line (?P<line>\d+)|was called from\n(?P<site>[^\n]+):(?P<at>\d+)')
_RAISED = re.compile(r"^(?:\w+\.)*(\w+)(?:: |$)", re.MULTILINE)
_CONDITION = re.compile(r"\[([A-Z][A-Z0-9_.]+)\]")
# A document of more than 16 MiB: the driver's exception, or the server's error code.
_TOO_LARGE = {"BsonMaximumSizeExceededException", "10334"}
# MongoDB's error codes that waiting does not resolve.
_LOGIN = {
    "13": "the user of mongo.username is not authorized",
    "18": "MongoDB refuses mongo.username with this password",
}


class JobError(Exception):
    """A batch failed for a known reason. The message is one line without payloads.

    A restart may help.
    """


class CannotGoOnError(JobError):
    """Continuing would lose or duplicate data."""


class AnotherDriverError(CannotGoOnError):
    """Another driver has already done this one's work."""

    def __init__(self) -> None:
        super().__init__(_ANOTHER)


@dataclass(frozen=True)
class Failure:
    """A failed query.

    Attributes:
        reason: one line, without payloads.
        exit_code: ``FAILED`` or ``MUST_NOT_GO_ON``.
        reported: whether the job's progress in MongoDB has the reason.
    """

    reason: str
    exit_code: int = FAILED
    reported: bool = False


def failure_of(error: StreamingQueryException, folder: Path, *, fresh: bool) -> Failure:
    """Returns why the query failed.

    The reason is our own error, Cloud Storage's, a known one of Spark's, a line of the pipeline, or the first line.

    Args:
        error: Spark's exception.
        folder: the pipeline's folder.
        fresh: whether this driver has committed nothing yet.
    """
    text = str(error)
    if own := re.search(r"\b(?:JobError|(CannotGoOnError|AnotherDriverError)): (.+)", text):
        return Failure(own.group(2)[:_LIMIT], MUST_NOT_GO_ON if own.group(1) else FAILED)
    # State that did not fit into memory is not damaged.
    if _MEMORY.search(text):
        return _out_of_memory(fresh)
    # State that cannot be fetched now is not damaged, though Spark uses the same error for both.
    if storage := _storage_failure(text):
        return Failure(storage[:_LIMIT])
    for pattern, words in _FINAL:
        if match := re.search(pattern, text):
            return Failure(f"{words} [{match.group(0)}]", MUST_NOT_GO_ON)
    return Failure((_line_of(text, folder) or text.strip().splitlines()[0])[:_LIMIT])


def failure_of_java(exit_code: int | None, *, fresh: bool) -> Failure:
    """Returns why the Java process ended.

    Args:
        exit_code: its exit code; negative for a signal, None if unknown.
        fresh: whether this driver has committed nothing yet.
    """
    if exit_code == _OUT_OF_MEMORY_CODE:
        return _out_of_memory(fresh)
    return Failure("the Java process ended" if exit_code is None else f"the Java process ended: exit code {exit_code}")


def _out_of_memory(fresh: bool) -> Failure:
    # A batch that does not fit into a fresh Java never will: a restart reads the same records.
    return Failure(_OUT_OF_MEMORY, MUST_NOT_GO_ON if fresh else FAILED)


def _storage_failure(text: str) -> str | None:
    """Returns Cloud Storage's failure; None if it is not the cause."""
    match = _STORAGE.search(text)
    if match is None:
        return None
    status = _STATUS.search(text)
    return (
        f"Cloud Storage refused a request or did not answer{f' ({status[1]})' if status else ''}, about {match[1]}; "
        "the next start resumes from the last committed batch"
    )


def _line_of(text: str, folder: Path) -> str | None:
    """Returns the failed line of the pipeline's code and the error's name.

    Its text may quote rows.
    """
    own = [found for found in _PLACE.finditer(text) if Path(found["file"] or found["site"]).parent == folder]
    if not own:
        return None
    # The innermost Python frame is the last one. Its error follows it, while Spark's error precedes the place.
    last = own[-1]
    if last["file"]:
        raised = _RAISED.search(text, last.end())
        return f"{last['file']}:{last['line']}: {raised[1] if raised else 'an error'}"
    conditions = _CONDITION.findall(text, 0, last.start())
    return f"{last['site']}:{last['at']}: {conditions[-1] if conditions else 'an error'}"


def failure_of_code(error: Exception, folder: Path) -> Failure | None:
    """Returns an error in the pipeline's own code, with file and line.

    None if it is from elsewhere.

    Args:
        error: the exception of its functions, or of Spark in them.
        folder: the pipeline's folder.
    """
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).parent == folder]
    if not own:
        return None
    message = str(error).strip().splitlines() or [""]
    text = f"{own[-1].filename}:{own[-1].lineno}: {type(error).__name__}: {message[0]}"
    return Failure(text[:_LIMIT], MUST_NOT_GO_ON)


def failure_of_declaration(error: Exception) -> Failure:
    """Returns why the engine or Spark rejects a pipeline, before any row was read."""
    if isinstance(error, JobError):
        return _known(error)
    message = str(error).strip().splitlines() or [""]
    return Failure(f"the pipeline cannot run: {type(error).__name__}: {message[0]}"[:_LIMIT], MUST_NOT_GO_ON)


def failure_of_import(error: Exception, folder: Path | None) -> Failure:
    """Returns why a pipeline cannot be imported.

    A restart can help only if its files could not be read.

    Args:
        error: the exception.
        folder: the pipeline's folder, if it is known.
    """
    if isinstance(error, OSError):
        return Failure(f"the pipeline cannot be read: {type(error).__name__}: {error}"[:_LIMIT])
    return (folder and failure_of_code(error, folder)) or failure_of_declaration(error)


def failure_of_spark(error: Exception) -> Failure:
    """Returns why Spark does not start.

    A restart cannot help if Spark refuses a setting.
    """
    texts = texts_of(error) if isinstance(error, Py4JJavaError) else f"{type(error).__name__}: {error}"
    lines = texts.strip().splitlines()
    return Failure(f"Spark does not start: {lines[-1]}"[:_LIMIT], MUST_NOT_GO_ON if _SETTING.search(texts) else FAILED)


def failure_at_start(error: Exception) -> Failure:
    """Returns why the query did not start.

    It reads MongoDB first, then the checkpoint.
    """
    if isinstance(error, JobError):
        return _known(error)
    texts = texts_of(cast(Py4JJavaError, error))
    if "com.mongodb" not in texts:
        return Failure(f"the query cannot be started: {texts.splitlines()[-1]}"[:_LIMIT])
    return _known(mongo_error(texts, "reading the job's progress"))


def _known(error: JobError) -> Failure:
    return Failure(str(error), MUST_NOT_GO_ON if isinstance(error, CannotGoOnError) else FAILED)


def mongo_error(failure: str, what: str) -> JobError:
    """Returns MongoDB's error, with only its codes and names of classes.

    It may also have the names of indexes.

    Args:
        failure: the result of ``texts_of``.
        what: the failed action.
    """
    indexes = set(re.findall(r"\bindex: (\S+) dup key", failure)) - {"_id_"}
    if indexes:
        return CannotGoOnError(
            f"{what} failed: the unique index {', '.join(sorted(indexes))}, which is not this pipeline's, rejects "
            "documents; remove it and restart the job"
        )
    codes = sorted(set(re.findall(r"\b(?:code=|failed with error )(\d{1,9})\b", failure)), key=int)
    classes = dict.fromkeys(
        re.findall(r"(?<![\w.])(?:com\.mongodb|java|org\.bson)[\w.]*\.(\w+(?:Exception|Error))", failure)
    )
    details = f"({', '.join(classes)}; error codes: {', '.join(codes) or 'none'})"
    if login := next((_LOGIN[code] for code in codes if code in _LOGIN), None):
        return CannotGoOnError(f"{what} failed: {login} {details}; fix this and restart the job")
    if _TOO_LARGE & {*codes, *classes}:
        return CannotGoOnError(
            f"{what} failed: a document is larger than MongoDB's limit of 16 MiB {details}; write smaller documents, "
            "and limit the topics' records (max.message.bytes)"
        )
    return JobError(f"{what} failed {details}")


def texts_of(error: Py4JJavaError) -> str:
    """Returns all messages of a failed Java call.

    Never show them, because they may quote records.
    """
    texts, cause = [], error.java_exception
    while cause is not None:
        texts.append(cause.toString())
        cause = cause.getCause()
    return "\n".join(texts)
