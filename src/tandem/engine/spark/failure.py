"""Explains a failed query in one line, and decides whether a restart can help."""

from __future__ import annotations

import re
import traceback
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from py4j.protocol import Py4JJavaError

from tandem.engine.declare.job_config import FAILED, MUST_NOT_GO_ON
from tandem.engine.spark.known_errors import ANOTHER_DRIVER, INCOMPATIBLE, final_reason, passing_reason

if TYPE_CHECKING:
    from pyspark.errors import StreamingQueryException

# Spark's exit code for a Java that is out of memory (org.apache.spark.util.SparkExitCode).
_OUT_OF_MEMORY_CODE = 52
_MEMORY = re.compile(
    rf"\bOutOfMemoryError\b|STORE_PROVIDER_OUT_OF_MEMORY|Command exited with code {_OUT_OF_MEMORY_CODE}\b"
)
_OUT_OF_MEMORY = (
    "Java ran out of memory: a batch reads the whole backlog in Kafka, and this one needs a larger heap. "
    "Increase spark.driver.memory, in a cluster spark.executor.memory (docs/guides/recovery.md); "
    "the job resumes where it stopped"
)
# Java's errors about a value of a setting.
_SETTING = re.compile(r"\b(?:Spark)?(?:IllegalArgument|NumberFormat)Exception\b")
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


class MissingSecretError(CannotGoOnError):
    """A password is not where the configuration says.

    Neither other code nor another checkpoint helps.
    """


class AnotherDriverError(CannotGoOnError):
    """Another driver has already done this one's work."""

    def __init__(self) -> None:
        super().__init__(ANOTHER_DRIVER)


@dataclass(frozen=True)
class Failure:
    """A failed query.

    Attributes:
        reason: one line, without payloads.
        exit_code: ``FAILED`` or ``MUST_NOT_GO_ON``.
        reported: whether the job's progress in MongoDB has the reason.
        in_code: whether a change of the pipeline's code may help. A reloaded driver waits for it.
    """

    reason: str
    exit_code: int = FAILED
    reported: bool = False
    in_code: bool = False


def failure_of(error: StreamingQueryException, folder: Path, *, fresh: bool) -> Failure:
    """Returns why the query failed.

    The reason is our own error, a known one, a line of the pipeline, or the first line.

    Args:
        error: Spark's exception.
        folder: the pipeline's folder.
        fresh: whether this query has committed nothing yet. Only then its code may be broken as a whole.
    """
    text = str(error)
    if own := re.search(r"\b(?:JobError|(CannotGoOnError)|(AnotherDriverError|MissingSecretError)): (.+)", text):
        code = MUST_NOT_GO_ON if own[1] or own[2] else FAILED
        return Failure(own[3][:_LIMIT], code, in_code=fresh and bool(own[1]))
    # State that did not fit into memory is not damaged.
    if _MEMORY.search(text):
        return _out_of_memory(fresh)
    if passing := passing_reason(text):
        return Failure(passing[:_LIMIT])
    if final := final_reason(text):
        return Failure(final, MUST_NOT_GO_ON, in_code=final.startswith(INCOMPATIBLE))
    line = _line_of(text, folder)
    return Failure((line or text.strip().splitlines()[0])[:_LIMIT], in_code=fresh and line is not None)


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
    return Failure(text[:_LIMIT], MUST_NOT_GO_ON, in_code=True)


def failure_of_declaration(error: Exception) -> Failure:
    """Returns why the engine or Spark rejects a pipeline, before any row was read."""
    if isinstance(error, JobError):
        in_code = isinstance(error, CannotGoOnError) and not isinstance(error, MissingSecretError)
        return replace(_known(error), in_code=in_code)
    message = str(error).strip().splitlines() or [""]
    reason = f"the pipeline cannot run: {type(error).__name__}: {message[0]}"
    return Failure(reason[:_LIMIT], MUST_NOT_GO_ON, in_code=True)


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
