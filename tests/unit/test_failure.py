"""An error in a pipeline's own code is told by its file and line."""

from __future__ import annotations

import runpy
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import MagicMock

import pytest
from py4j.protocol import Py4JJavaError
from pyspark.errors import AnalysisException

from tandem.engine.declare.job_config import FAILED, MUST_NOT_GO_ON
from tandem.engine.run import job, job_start
from tandem.engine.spark.failure import (
    CannotGoOnError,
    Failure,
    failure_at_start,
    failure_of,
    failure_of_code,
    failure_of_import,
    failure_of_java,
    mongo_error,
)
from tandem.engine.write.dead_letters import DeadLetters
from tandem.pipelines.orders_payments.transform import PIPELINE
from tests.spark.records import job_config

# Spark's error if it fails to load state, for whatever reason.
_LOADING = "[CANNOT_LOAD_STATE_STORE.UNCATEGORIZED] An error occurred during loading state.\nCaused by:"
CODE = """
def transform(rows):
    return rows.selekt("a")

transform([])
"""


def test_an_error_from_a_pipelines_code_names_the_line(tmp_path: Path) -> None:
    file = tmp_path / "transform.py"
    file.write_text(CODE)
    with pytest.raises(AttributeError) as caught:
        runpy.run_path(str(file))
    failure = failure_of_code(caught.value, tmp_path)
    assert failure is not None
    assert failure.reason == f"{file}:3: AttributeError: 'list' object has no attribute 'selekt'"
    assert failure.exit_code == MUST_NOT_GO_ON
    # Of another folder it is another's affair.
    assert failure_of_code(caught.value, tmp_path / "other") is None


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("pipeline p: keeps_aside is set"), "ValueError: pipeline p: keeps_aside is set"),
        (AnalysisException("Append output mode not supported.\n== Plan"), "AnalysisException: Append output mode not"),
    ],
)
def test_a_rejected_pipeline_is_reported_and_not_retried(
    monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    def read(*_: object) -> None:
        raise error

    reporter, anything = MagicMock(), MagicMock()
    reporter.report.return_value = True
    monkeypatch.setattr(job, "ProgressReporter", lambda *_: reporter)
    monkeypatch.setattr(job, "changed", lambda *_: None)
    for name in ("record", "StateEvents", "ControlRecordSender", "BatchWriter"):
        monkeypatch.setattr(job, name, anything)
    monkeypatch.setattr(job, "as_stream", read)
    failure = job.run(anything, PIPELINE, anything, threading.Event())
    assert failure is not None
    assert failure.exit_code == MUST_NOT_GO_ON
    assert words in failure.reason
    assert "\n" not in failure.reason
    reporter.report.assert_called_once_with("failed", error=failure.reason)


def test_a_setting_that_does_not_fit_the_checkpoint_is_reported_and_nothing_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    misfit, reporter, nothing = Failure("why", MUST_NOT_GO_ON), MagicMock(), MagicMock()
    reporter.report.return_value = True
    monkeypatch.setattr(job, "ProgressReporter", lambda *_: reporter)
    monkeypatch.setattr(job, "StateEvents", nothing)
    monkeypatch.setattr(job, "changed", lambda *_: misfit)
    assert job.run(nothing, PIPELINE, nothing, threading.Event()) == replace(misfit, reported=True)
    reporter.report.assert_called_once_with("failed", error="why")
    nothing.streams.addListener.assert_not_called()


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (
            ["org.apache.spark.SparkException: wraps", "java.io.IOException: mkdir of file:/checkpoint failed"],
            "the query cannot be started: java.io.IOException: mkdir of file:/checkpoint failed",
        ),
        (
            ["com.mongodb.MongoTimeoutException: Timed out after 30000 ms"],
            "reading the job's progress failed (MongoTimeoutException; error codes: none)",
        ),
    ],
)
def test_a_failed_start_names_its_cause(texts: list[str], words: str) -> None:
    cause = None
    for text in reversed(texts):
        cause = SimpleNamespace(toString=lambda text=text: text, getCause=lambda cause=cause: cause)
    error = Py4JJavaError.__new__(Py4JJavaError)
    error.java_exception = cause
    failure = failure_at_start(error)
    assert failure.reason == words
    assert failure.exit_code == FAILED


@pytest.mark.parametrize(
    ("text", "final"),
    [
        ("org.bson.BsonMaximumSizeExceededException: Payload document size is larger than maximum", True),
        ("com.mongodb.MongoCommandException: Command failed with error 10334 (BSONObjectTooLarge)", True),
        ("com.mongodb.MongoCommandException: Command failed with error 13 (Unauthorized)", True),
        ("com.mongodb.MongoSocketReadException: Prematurely reached end of stream", False),
        ("com.mongodb.MongoCommandException: Command failed with error 189 (PrimarySteppedDown)", False),
    ],
)
def test_what_mongodb_will_never_take_is_not_tried_again(text: str, final: bool) -> None:
    assert isinstance(mongo_error(text, "writing facts"), CannotGoOnError) == final


@pytest.mark.parametrize(
    ("text", "memory"),
    [
        ("Lost task 0.0 in stage 2.0: java.lang.OutOfMemoryError: GC overhead limit exceeded", True),
        # While state is read, which Spark then calls damaged.
        ("[CANNOT_LOAD_STATE_STORE.UNCATEGORIZED] Text. java.lang.OutOfMemoryError: Java heap space", True),
        ("[CANNOT_LOAD_STATE_STORE.ROCKSDB_STORE_PROVIDER_OUT_OF_MEMORY] Text.", True),
        ("ExecutorLostFailure (executor 0 exited) Reason: Command exited with code 52", True),
        ("ExecutorLostFailure (executor 0 exited) Reason: Command exited with code 1", False),
    ],
)
def test_a_java_that_ran_out_of_memory_is_reported(tmp_path: Path, text: str, memory: bool) -> None:
    """It is tried again, but not with the same batch for ever."""
    error = cast(Any, Exception(f"[STREAM_FAILED] Job aborted: {text}"))
    later, at_once = (failure_of(error, tmp_path, fresh=fresh) for fresh in (False, True))
    assert later.reason.startswith("Java ran out of memory") == memory
    assert later.exit_code == FAILED
    assert at_once.exit_code == (MUST_NOT_GO_ON if memory else FAILED)


@pytest.mark.parametrize(("code", "memory"), [(52, True), (-9, False), (None, False)])
def test_a_java_that_is_gone_leaves_its_exit_code(code: int | None, memory: bool) -> None:
    assert failure_of_java(code, fresh=True).reason.startswith("Java ran out of memory") == memory


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("CANNOT_LOAD_STATE_STORE.CANNOT_READ_DELTA_FILE_NOT_EXISTS", "is damaged"),
        ("STREAMING_STATEFUL_OPERATOR_MISSING_STATE_DIRECTORY", "is damaged"),
        ("STREAMING_STATEFUL_OPERATOR_NOT_MATCH_IN_STATE_METADATA", "incompatible version"),
        ("CHECKPOINT_FILE_CHECKSUM_VERIFICATION_FAILED", "is damaged"),
        ("STATE_STORE_VALUE_SCHEMA_NOT_COMPATIBLE", "incompatible version"),
    ],
)
def test_a_checkpoint_that_cannot_be_gone_on_with_is_not_tried_again(
    tmp_path: Path, condition: str, words: str
) -> None:
    error = Exception(f"[STREAM_FAILED] Query terminated with exception: [{condition}] Text.")
    failure = failure_of(cast(Any, error), tmp_path, fresh=True)
    assert words in failure.reason
    assert failure.exit_code == MUST_NOT_GO_ON


@pytest.mark.parametrize(
    ("text", "words"),
    [
        # A driver's, as the connector 4.0.4 has them.
        (
            "terminated with exception: Upload failed for 'gs://b/c/offsets/.3.tmp' SQLSTATE: XXKST",
            "Cloud Storage refused a request or did not answer, about gs://b/c/offsets/.3.tmp",
        ),
        (
            "[CANNOT_LOAD_STATE_STORE.FAILED_TO_GET_CHANGELOG_WRITER] Text.\nCaused by: java.io.IOException: Multiple "
            "IOExceptions.\n\tSuppressed: java.io.IOException: Error getting 'gs://b/c/state/0' object",
            "Cloud Storage refused a request or did not answer, about gs://b/c/state/0",
        ),
        (
            "[FOREACH_BATCH_USER_FUNCTION_ERROR] Text.\n: java.io.IOException: Error accessing gs://b/c/commits/3\n"
            "Caused by: com.google.api.client.googleapis.json.GoogleJsonResponseException: 503 Service Unavailable\n",
            "Cloud Storage refused a request or did not answer (503 Service Unavailable), about gs://b/c/commits/3",
        ),
        (
            "[CANNOT_LOAD_STATE_STORE] Text.\njava.io.FileNotFoundException: Item not found: gs://b/c/state/0/0/3.zip",
            None,
        ),
        # An executor's.
        (
            f"{_LOADING} org.rocksdb.RocksDBException: IO error: No space left on deviceWhile appending to file: 4.sst",
            "a disk of the driver or of an executor is full (No space left on device)",
        ),
        (
            "[CANNOT_LOAD_STATE_STORE.FAILED_TO_GET_CHANGELOG_WRITER] Text.\njava.io.IOException: Disk quota exceeded",
            "a disk of the driver or of an executor is full (Disk quota exceeded)",
        ),
        ("[CANNOT_WRITE_STATE_STORE.CANNOT_COMMIT] Text.\njava.io.IOException: No space left on device", "a disk of"),
        (
            f"{_LOADING} java.io.FileNotFoundException: /checkpoint/state/0/0/3.zip (Too many open files)",
            "the checkpoint's state cannot be loaded (Too many open files)",
        ),
        (
            "[CANNOT_LOAD_STATE_STORE.FAILED_TO_GET_CHANGELOG_WRITER] T.\njava.io.IOException: Read-only file system",
            "the checkpoint's state cannot be loaded (FAILED_TO_GET_CHANGELOG_WRITER, Read-only file system)",
        ),
        (f"{_LOADING} java.io.FileNotFoundException: /c/3.zip (Permission denied)", "the checkpoint's state cannot be"),
        (f"{_LOADING} java.nio.file.AccessDeniedException: /tmp/spark-1", "the checkpoint's state cannot be loaded"),
        (f"{_LOADING} java.io.IOException: Input/output error", "the checkpoint's state cannot be loaded"),
        (f"{_LOADING} java.io.IOException: Stale file handle", "the checkpoint's state cannot be loaded"),
        (f"{_LOADING} java.nio.channels.ClosedByInterruptException", "the checkpoint's state cannot be loaded"),
        (f"{_LOADING} java.lang.InterruptedException: sleep", "the checkpoint's state cannot be loaded"),
        (f"{_LOADING} org.apache.spark.TaskKilledException", "the checkpoint's state cannot be loaded"),
        (
            "[CANNOT_LOAD_STATE_STORE.UNRELEASED_THREAD_ERROR] RocksDB instance",
            "the checkpoint's state cannot be loaded",
        ),
        ("[CANNOT_LOAD_CHECKPOINT_FILE_MANAGER.UNCATEGORIZED] Permission denied", "the checkpoint's state cannot be"),
        (f"{_LOADING} java.io.EOFException", None),
        ("[STREAMING_CHECKPOINT_MISSING_METADATA_FILE] Text. Permission denied", None),
        (f"{_LOADING} org.rocksdb.RocksDBException: Corruption: block checksum mismatch", None),
        (f"{_LOADING} org.rocksdb.RocksDBException: IO error: No such file or directory: /t/MANIFEST-000005", None),
    ],
)
def test_a_checkpoint_that_cannot_be_reached_is_not_damaged(tmp_path: Path, text: str, words: str | None) -> None:
    failure = failure_of(cast(Any, Exception(f"[STREAM_FAILED] {text}")), tmp_path, fresh=True)
    assert failure.reason.startswith(words or "the checkpoint is damaged")
    assert failure.exit_code == (FAILED if words else MUST_NOT_GO_ON)


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (None, 0),
        (Failure("Kafka is away", FAILED, reported=True), FAILED),
        (Failure("the checkpoint is damaged", MUST_NOT_GO_ON, reported=True), 0),
        # Nobody would know why it has ended.
        (Failure("MongoDB refuses the login", MUST_NOT_GO_ON), MUST_NOT_GO_ON),
    ],
)
def test_where_all_but_0_is_restarted_a_job_that_must_not_be_ends_with_0(failure: Failure | None, code: int) -> None:
    config = replace(job_config("p"), final_exit_code=0)
    assert job.ended(failure, config, threading.Event(), lambda: None) == code


def test_where_every_exit_is_followed_by_a_restart_the_job_does_not_exit(tmp_path: Path) -> None:
    config = replace(job_config("p"), failure_file=str(tmp_path / "failure"))
    stopping, java_ended = threading.Event(), threading.Event()
    codes: list[int] = []
    final = Failure("the checkpoint is damaged", MUST_NOT_GO_ON)
    waiting = threading.Thread(target=lambda: codes.append(job.ended(final, config, stopping, java_ended.set)))
    waiting.start()
    assert java_ended.wait(10)
    assert (tmp_path / "failure").read_text() == "the checkpoint is damaged\n"
    assert (waiting.is_alive(), codes) == (True, [])
    stopping.set()
    waiting.join(10)
    assert codes == [MUST_NOT_GO_ON]
    # What a restart may help exits as ever.
    assert job.ended(Failure("Kafka is away"), config, threading.Event(), lambda: None) == FAILED


def test_a_record_that_spark_cannot_read_is_reported_and_not_retried(tmp_path: Path) -> None:
    said = (
        "org.apache.spark.KafkaIllegalStateException: [KAFKA_MALFORMED_RECORD_TIMESTAMP] Record at topic t "
        "partition 0 offset 7 has timestamp value 1795000000000000000 that overflows"
    )
    failure = failure_of(cast(Any, said), tmp_path, fresh=False)
    assert failure.exit_code == MUST_NOT_GO_ON
    assert "CreateTime" in failure.reason
    assert "1795" not in failure.reason


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "java.util.concurrent.ExecutionException: org.apache.kafka.common.errors.TopicAuthorizationException: Not "
            "authorized to access topics: [orders_topic_data_v1]",
            "grant READ and DESCRIBE on it",
        ),
        ("Not authorized to access topics: [a, b]", "[Not authorized to access topics: [a, b]]"),
        ("org.apache.kafka.common.errors.GroupAuthorizationException", "[GroupAuthorizationException]"),
        ("Not authorized to access group: spark-kafka-source-1", "[Not authorized to access group: spark-kafka-"),
        (
            "org.apache.kafka.common.errors.SaslAuthenticationException: Authentication failed",
            "Kafka refuses kafka.username with this password",
        ),
    ],
)
def test_what_kafka_forbids_is_reported_and_not_retried(tmp_path: Path, text: str, words: str) -> None:
    failure = failure_of(cast(Any, Exception(f"[STREAM_FAILED] Query terminated: {text}")), tmp_path, fresh=False)
    assert words in failure.reason
    assert failure.exit_code == MUST_NOT_GO_ON


@pytest.mark.parametrize(
    "text", ["TimeoutException: Timed out waiting for a node assignment. Call: describeTopics", "DisconnectException"]
)
def test_a_kafka_that_does_not_answer_is_tried_again(tmp_path: Path, text: str) -> None:
    assert failure_of(cast(Any, Exception(f"org.apache.kafka.{text}")), tmp_path, fresh=True).exit_code == FAILED


def started(
    folder: Path, monkeypatch: pytest.MonkeyPatch, code: str | None, *more: str, spark_error: Exception | None = None
) -> int | str | None:
    """Returns the exit code of a driver whose pipeline has this code, or that has none."""
    package = f"p_{folder.name}"
    if code is not None:
        (folder / package).mkdir()
        (folder / package / "transform.py").write_text(code)
    config = folder / "job.json"
    config.write_text(replace(job_config(package), final_exit_code=0).to_json())
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr("sys.argv", ["job", "--pipeline", package, "--config", str(config), *more])
    monkeypatch.setattr(job, "SignalHandler", MagicMock())
    builder = MagicMock()
    builder.appName.return_value.getOrCreate.side_effect = spark_error
    monkeypatch.setattr(job_start, "SparkSession", SimpleNamespace(builder=builder))
    with pytest.raises(SystemExit) as ended:
        job.main()
    return ended.value.code


def after_a_reload(
    folder: Path, monkeypatch: pytest.MonkeyPatch, failure: Failure | None, unreadable: Exception | None = None
) -> tuple[int | str | None, bool]:
    """Returns the exit code of a driver after a reload that fails, and whether it waited for another one."""
    signals = MagicMock()
    signals.restart_requested.side_effect = [True, False]
    config = folder / "job.json"
    config.write_text(job_config("p").to_json())
    monkeypatch.setattr("sys.argv", ["job", "--config", str(config)])
    monkeypatch.setattr(job, "SignalHandler", lambda: signals)
    monkeypatch.setattr(job, "session", MagicMock())
    monkeypatch.setattr(job, "describe", lambda *_: {})
    monkeypatch.setattr(job, "log_to_stderr", lambda _: None)
    monkeypatch.setattr(job, "set_log_levels", lambda *_: None)
    monkeypatch.setattr(job, "reloaded", MagicMock(side_effect=unreadable, return_value=PIPELINE))
    monkeypatch.setattr(job, "_attempt", MagicMock(side_effect=[None, failure]))
    with pytest.raises(SystemExit) as ended:
        job.main(PIPELINE)
    return ended.value.code, signals.stopping.wait.called


@pytest.mark.parametrize(
    ("failure", "waits"),
    [
        (Failure("Kafka does not answer"), False),
        (Failure("the checkpoint is damaged", MUST_NOT_GO_ON), False),
        (Failure("transform.py:3: ValueError", in_code=True), True),
        (Failure("transform.py:3: AttributeError", MUST_NOT_GO_ON, in_code=True), True),
    ],
)
def test_a_reloaded_job_waits_only_for_other_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: Failure, waits: bool
) -> None:
    """Whatever else fails, however much later, ends the driver, so that it is restarted or its end is seen."""
    assert after_a_reload(tmp_path, monkeypatch, failure) == (failure.exit_code, waits)


@pytest.mark.parametrize(
    ("error", "code", "waits"),
    [(SyntaxError("invalid syntax"), MUST_NOT_GO_ON, True), (OSError("Input/output error"), FAILED, False)],
)
def test_a_job_whose_code_cannot_be_read_again_waits_for_other_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, code: int, waits: bool
) -> None:
    assert after_a_reload(tmp_path, monkeypatch, None, error) == (code, waits)


@pytest.mark.parametrize(
    ("text", "at_once", "later"),
    [
        ('File "FOLDER/transform.py", line 3, in price\nValueError: no digits', True, False),
        ("py4j.Py4JException: tandem.engine.spark.failure.CannotGoOnError: a document has no _id", True, False),
        ("tandem.engine.spark.failure.AnotherDriverError: another driver", False, False),
        ("tandem.engine.spark.failure.MissingSecretError: the secret env:X is empty", False, False),
        ("[STATE_STORE_VALUE_SCHEMA_NOT_COMPATIBLE] Text.", True, True),
        ("[CANNOT_LOAD_STATE_STORE] Text.", False, False),
        ("java.lang.OutOfMemoryError: Java heap space", False, False),
        ("org.apache.kafka.common.errors.TimeoutException", False, False),
    ],
)
def test_other_code_may_help_before_the_first_commit(tmp_path: Path, text: str, at_once: bool, later: bool) -> None:
    error = cast(Any, Exception(f"[STREAM_FAILED] {text.replace('FOLDER', str(tmp_path))}"))
    for fresh, in_code in ((True, at_once), (False, later)):
        assert failure_of(error, tmp_path, fresh=fresh).in_code == in_code


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("def transform(:\n", "the pipeline cannot run: SyntaxError: invalid syntax (transform.py, line 1)"),
        ("import pandas_of_another_project\n", "transform.py:1: ModuleNotFoundError: No module named"),
        ("PIPELINE = 1 / 0\n", "transform.py:1: ZeroDivisionError: division by zero"),
        ("", "the pipeline cannot run: AttributeError: module"),
        (None, "the pipeline cannot run: ModuleNotFoundError: No module named"),
    ],
)
def test_a_pipeline_that_cannot_be_imported_is_reported_and_not_retried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, code: str | None, words: str
) -> None:
    assert started(tmp_path, monkeypatch, code) == MUST_NOT_GO_ON
    assert words in caplog.text


def test_a_pipeline_that_cannot_be_imported_fits_no_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert started(tmp_path, monkeypatch, "PIPELINE = 1 / 0\n", "--fit") == MUST_NOT_GO_ON
    assert capsys.readouterr().out.endswith("transform.py:1: ZeroDivisionError: division by zero\n")


def test_a_pipeline_whose_files_cannot_be_read_is_tried_again() -> None:
    failure = failure_of_import(PermissionError(13, "Permission denied"), None)
    assert failure == Failure("the pipeline cannot be read: PermissionError: [Errno 13] Permission denied", FAILED)


def java_error(text: str) -> Py4JJavaError:
    error = Py4JJavaError.__new__(Py4JJavaError)
    error.java_exception = SimpleNamespace(toString=lambda: text, getCause=lambda: None)
    return error


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (
            java_error("java.lang.IllegalArgumentException: spark.dynamicAllocation.minExecutors must be positive"),
            MUST_NOT_GO_ON,
            "Spark does not start: java.lang.IllegalArgumentException: spark.dynamicAllocation.minExecutors",
        ),
        (java_error("java.lang.NumberFormatException: Size must be"), MUST_NOT_GO_ON, "Size must be"),
        (java_error("java.net.BindException: Address already in use"), FAILED, "BindException"),
        (RuntimeError("[JAVA_GATEWAY_EXITED] Java gateway process exited"), FAILED, "RuntimeError: [JAVA_GATEWAY"),
    ],
)
def test_a_spark_that_does_not_start_is_reported(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    code: int,
    words: str,
) -> None:
    pipeline = "from types import SimpleNamespace\nPIPELINE = SimpleNamespace(name='p')\n"
    assert started(tmp_path, monkeypatch, pipeline, spark_error=error) == code
    assert words in caplog.text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "org.apache.kafka.common.errors.TopicAuthorizationException: Not authorized to access topics: [dead]",
            "TopicAuthorizationException, the job's user needs READ and WRITE on it; no data was lost",
        ),
        ("org.apache.kafka.common.errors.RecordTooLargeException: The message", "RecordTooLargeException; no data"),
    ],
)
def test_dead_letters_that_kafka_refuses_stop_the_job(text: str, words: str) -> None:
    letters = DeadLetters(MagicMock(), replace(PIPELINE, dead_letter_topic="dead"), job_config("p"))
    with pytest.raises(CannotGoOnError, match=f"dead letters cannot be written to dead: {words}"):
        letters.raise_if_final(java_error(text))
