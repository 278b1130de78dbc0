"""Why a query failed, in one line for the log and the progress; and whether to start it again can help."""

from __future__ import annotations

import re
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from tandem.engine.declare.job_config import FAILED, MUST_NOT_GO_ON
from tandem.engine.spark.secrets import SecretError

if TYPE_CHECKING:
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import StreamingQueryException

_ANOTHER = "another driver uses the same checkpoint; this one stops"
_AGAIN = "with a new checkpoint the job begins at the topics' beginning and doubles nothing (README, The way back)"
# By Spark's error classes and Kafka's exceptions. The first that is found counts. An error may quote a record, so each
# repetition here and below has a bound, or begins where no other can: none is tried from every character to the end.
_FINAL = (
    (
        r"KAFKA_MALFORMED_RECORD_TIMESTAMP|that overflows when converting to Spark's microsecond-precision",
        "a record's Kafka timestamp is too large for Spark, as one in nanoseconds is: the topic has "
        "message.timestamp.type=CreateTime. Set LogAppendTime for the records to come; Spark cannot pass this one, so "
        "copy the other records to a new topic and start with a new checkpoint",
    ),
    (
        r"Some data may have been lost|KAFKA_DATA_LOSS|"
        r"OffsetOutOfRangeException|PARTITION_OFFSET_CHANGED|KafkaIllegalStateException",
        "records that the job had not read are gone from Kafka (retention, or a topic that was created anew): "
        f"it does not go on without them; {_AGAIN}",
    ),
    (
        r"STATE_STORE_\w{0,80}SCHEMA\w{0,80}|STATE_STORE_INCOMPATIBLE\w{0,80}|"
        r"STREAMING_STATEFUL_OPERATOR_NOT_MATCH\w{0,80}|INCOMPATIBLE_LOG\w{0,80}|sources in the checkpoint offsets",
        f"the checkpoint was made by another, incompatible version of the pipeline; {_AGAIN}",
    ),
    (
        r"CANNOT_LOAD_STATE_STORE|CANNOT_LOAD_CHECKPOINT\w{0,80}|STATE_STORE_\w{0,80}CHECKSUM\w{0,80}|MALFORMED_LOG\w{0,80}|"
        r"Incomplete log|STREAMING_STATEFUL_OPERATOR_MISSING_STATE_DIRECTORY|CHECKPOINT_FILE_CHECKSUM\w{0,80}|"
        r"STREAM_STREAM_JOIN_INCONSISTENT\w{0,80}|Log file was malformed|batch \d{1,19} doesn't exist|"
        r"BATCH_METADATA_NOT_FOUND|STREAMING_CHECKPOINT\w{0,80}",
        f"the checkpoint is damaged; {_AGAIN}",
    ),
    (
        r"CONCURRENT_STREAM_LOG_UPDATE|Multiple streaming queries are concurrently using",
        _ANOTHER,
    ),
)
# With it Spark ends a Java that is out of memory (org.apache.spark.util.SparkExitCode).
_OUT_OF_MEMORY_CODE = 52
_MEMORY = re.compile(rf"\bOutOfMemoryError\b|Command exited with code {_OUT_OF_MEMORY_CODE}\b")
_OUT_OF_MEMORY = (
    "Java ran out of memory: records that wait and records whose window is open must fit into its heap. "
    "Give it more by spark.driver.memory, in a cluster spark.executor.memory (README, The way back), "
    "and it goes on where it was"
)
# What Hadoop's connector says when Cloud Storage refuses a request or does not answer; of what is not there it says so.
_STORAGE = re.compile(r"(?:\bError \w{1,80}ing (?:\w{1,80} ){0,9}|\bUpload failed for )'?(gs://[^\s']+)")
_STATUS = re.compile(r"GoogleJsonResponseException: (\d{3}[^\n]*)")
_LIMIT = 500
# Where an error of rows comes from: a frame of a Python function in a worker, or the call that made an expression.
_PLACE = re.compile(r'File "(?P<file>[^"\n]+)", line (?P<line>\d+)|was called from\n(?P<site>[^\n]+):(?P<at>\d+)')
_RAISED = re.compile(r"^(?:\w+\.)*(\w+)(?:: |$)", re.MULTILINE)
_CONDITION = re.compile(r"\[([A-Z][A-Z0-9_.]+)\]")
# A document of more than 16 MiB: the driver's own word, or the server's error code.
_TOO_LARGE = {"BsonMaximumSizeExceededException", "10334"}
# MongoDB's error codes of what no waiting mends.
_LOGIN = {
    "13": "MongoDB does not allow it to the user whom mongo.username names",
    "18": "MongoDB refuses mongo.username with this password",
}


class JobError(Exception):
    """A batch failed for a reason that we know. Its message is one line without payloads; to try again may help."""


class CannotGoOnError(JobError):
    """To go on would lose data or double it."""


class AnotherDriverError(CannotGoOnError):
    """Another driver has done what this one was at."""

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
    """Returns what ended the query: our own error, Cloud Storage's, what we know of Spark's, a line of the pipeline, or
    the first line.

    Args:
        error: what Spark has raised.
        folder: the pipeline's.
        fresh: whether this driver has committed nothing yet.
    """
    text = str(error)
    if own := re.search(r"\b(?:JobError|(CannotGoOnError|AnotherDriverError)): (.+)", text):
        return Failure(own.group(2)[:_LIMIT], MUST_NOT_GO_ON if own.group(1) else FAILED)
    # State for which there was no room is not damaged either.
    if _MEMORY.search(text):
        return _out_of_memory(fresh)
    # State that cannot be fetched now is not damaged, though Spark has the same name for both.
    if told := _storage_failure(text):
        return Failure(told[:_LIMIT])
    for pattern, words in _FINAL:
        if found := re.search(pattern, text):
            return Failure(f"{words} [{found.group(0)}]", MUST_NOT_GO_ON)
    return Failure((_line_of(text, folder) or text.strip().splitlines()[0])[:_LIMIT])


def failure_of_java(exit_code: int | None, *, fresh: bool) -> Failure:
    """Returns why there is no Java any more.

    Args:
        exit_code: of its process; negative for a signal, None when it is not known.
        fresh: whether this driver has committed nothing yet.
    """
    if exit_code == _OUT_OF_MEMORY_CODE:
        return _out_of_memory(fresh)
    return Failure(
        "the Java process is gone" if exit_code is None else f"the Java process is gone: exit code {exit_code}"
    )


def _out_of_memory(fresh: bool) -> Failure:
    # A batch that does not fit into a new Java never will: its records are chosen, and stay the same.
    return Failure(_OUT_OF_MEMORY, MUST_NOT_GO_ON if fresh else FAILED)


def _storage_failure(text: str) -> str | None:
    """Returns what Cloud Storage has not done; None when it is not the cause."""
    found = _STORAGE.search(text)
    if found is None:
        return None
    status = _STATUS.search(text)
    return (
        f"Cloud Storage refused a request or did not answer{f' ({status[1]})' if status else ''}, about {found[1]}; "
        "the next start goes on from the last committed batch"
    )


def _line_of(text: str, folder: Path) -> str | None:
    """Returns at which line of the pipeline's own code rows failed, and the error's name: its text may quote them."""
    own = [found for found in _PLACE.finditer(text) if Path(found["file"] or found["site"]).parent == folder]
    if not own:
        return None
    # The innermost of Python's frames stands last. Its error stands behind it, Spark's before the place.
    last = own[-1]
    if last["file"]:
        raised = _RAISED.search(text, last.end())
        return f"{last['file']}:{last['line']}: {raised[1] if raised else 'an error'}"
    conditions = _CONDITION.findall(text, 0, last.start())
    return f"{last['site']}:{last['at']}: {conditions[-1] if conditions else 'an error'}"


def failure_of_code(error: Exception, folder: Path) -> Failure | None:
    """Returns what is wrong in a pipeline's own code, with its file and line; None when the error is not from there.

    Args:
        error: what its functions, or Spark in them, have raised.
        folder: the pipeline's.
    """
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).parent == folder]
    if not own:
        return None
    said = str(error).strip().splitlines() or [""]
    text = f"{own[-1].filename}:{own[-1].lineno}: {type(error).__name__}: {said[0]}"
    return Failure(text[:_LIMIT], MUST_NOT_GO_ON)


def failure_of_declaration(error: Exception) -> Failure:
    """Returns what the engine or Spark refuses of a pipeline as a whole. No row was read that the text could quote."""
    said = str(error).strip().splitlines() or [""]
    return Failure(f"the pipeline cannot run: {type(error).__name__}: {said[0]}"[:_LIMIT], MUST_NOT_GO_ON)


def failure_at_start(error: Exception) -> Failure:
    """Returns why there is no query: what the progress is read from, MongoDB, is asked first, then the checkpoint."""
    if isinstance(error, SecretError):
        return Failure(str(error), MUST_NOT_GO_ON)
    said = texts_of(cast("Py4JJavaError", error))
    if "com.mongodb" not in said:
        return Failure(f"the query cannot be started: {said.splitlines()[-1]}"[:_LIMIT])
    told = mongo_error(said, "reading the job's progress")
    return Failure(str(told), MUST_NOT_GO_ON if isinstance(told, CannotGoOnError) else FAILED)


def mongo_error(failure: str, what: str) -> JobError:
    """Returns the error for what MongoDB has refused, in server codes and names of classes and indexes only.

    Args:
        failure: the result of ``texts_of``.
        what: what was being done.
    """
    indexes = set(re.findall(r"\bindex: (\S+) dup key", failure)) - {"_id_"}
    if indexes:
        return CannotGoOnError(
            f"{what} failed: the unique index {', '.join(sorted(indexes))}, which is not of this pipeline, refuses "
            "documents; remove it and start the job"
        )
    codes = sorted(set(re.findall(r"\b(?:code=|failed with error )(\d{1,9})\b", failure)), key=int)
    classes = dict.fromkeys(
        re.findall(r"(?<![\w.])(?:com\.mongodb|java|org\.bson)[\w.]*\.(\w+(?:Exception|Error))", failure)
    )
    told = f"({', '.join(classes)}; error codes: {', '.join(codes) or 'none'})"
    if login := next((_LOGIN[code] for code in codes if code in _LOGIN), None):
        return CannotGoOnError(f"{what} failed: {login} {told}; mend that and start the job")
    if _TOO_LARGE & {*codes, *classes}:
        return CannotGoOnError(
            f"{what} failed: a document is larger than the 16 MiB that MongoDB takes {told}; let the pipeline make "
            "smaller ones, and the topics refuse so large records (max.message.bytes)"
        )
    return JobError(f"{what} failed {told}")


def texts_of(error: Py4JJavaError) -> str:
    """Returns all that a failed call of Java says of itself. It may quote records, so it must not be shown."""
    texts, cause = [], error.java_exception
    while cause is not None:
        texts.append(cause.toString())
        cause = cause.getCause()
    return "\n".join(texts)
