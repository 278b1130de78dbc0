"""Runs a pipeline as a streaming query until it is asked to stop."""

from __future__ import annotations

import argparse
import inspect
import logging
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from py4j.protocol import Py4JError, Py4JJavaError
from pyspark.errors import AnalysisException, StreamingQueryException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from tandem.engine.declare.job_config import MUST_NOT_GO_ON, JobConfig
from tandem.engine.declare.pipeline import Pipeline
from tandem.engine.read.kafka_source import as_stream, times_read
from tandem.engine.read.parse import ASIDE
from tandem.engine.run.checkpoint_compatibility import changed, misfit, record
from tandem.engine.run.idle_watermark import ControlRecordSender
from tandem.engine.run.job_progress import ProgressReporter
from tandem.engine.run.job_start import StartError, loaded, parsed, read_with_spark, read_without_spark, session
from tandem.engine.run.pipeline_loader import reloaded
from tandem.engine.run.query_listener import ProgressListener
from tandem.engine.run.repeated_call import RepeatedCall
from tandem.engine.run.signals import SignalHandler
from tandem.engine.run.state_events import StateEvents
from tandem.engine.run.stop_file import StopFile
from tandem.engine.spark.failure import (
    Failure,
    JobError,
    MissingSecretError,
    failure_at_start,
    failure_of,
    failure_of_code,
    failure_of_declaration,
    failure_of_import,
    failure_of_java,
)
from tandem.engine.spark.file_system import appeared
from tandem.engine.spark.java_process import end_java, java_exit_code
from tandem.engine.spark.job_log import TEXT, Notice, log_to_stderr, values
from tandem.engine.spark.jvm import describe, remember_java_names, set_log_levels
from tandem.engine.write.batch_writer import BatchWriter
from tandem.engine.write.document_schema import documents_of

# How often the job checks whether it must stop or reload.
_LOOK_S = 0.2
_log = logging.getLogger("tandem.job")


def main(pipeline: Pipeline | None = None) -> None:
    """Runs a pipeline with the configuration of ``--config``.

    Exits with 0 after a signal or ``--stop-when``.

    With ``--begin-when``, Spark starts before Kafka and MongoDB are ready. The query starts once the file exists.

    SIGHUP reloads the pipeline's code and the configuration. If the new code cannot start, the job waits for the next
    signal. Any other failure ends it with the exit code of the ``Failure``.

    With ``--fit`` the job reads no records, checks its checkpoint and exits.

    Args:
        pipeline: the pipeline to run; None for the one that ``--pipeline`` names.
    """
    arguments = parsed(names_pipeline=pipeline is None)
    signals = SignalHandler()
    signals.listen()
    remember_java_names()
    try:
        pipeline = pipeline or loaded(arguments.pipeline)
        spark = session(pipeline)
    except StartError as error:
        sys.exit(_not_started(error.failure, arguments, signals.stopping))
    config = read_with_spark(spark, arguments.config)
    log_to_stderr(config.log_format)
    set_log_levels(spark, config.log_levels)
    if arguments.fit:
        sys.exit(fit(spark, pipeline, config))
    _log.info(Notice.STARTED, extra=values(**describe(spark, config)))
    if arguments.stop_when:
        StopFile(spark, arguments.stop_when, signals.stop).start()
    begin_when: str | None = arguments.begin_when
    failure = _attempt(spark, pipeline, config, signals.stopping, begin_when)
    while signals.restart_requested():
        try:
            pipeline = reloaded(pipeline)
        except Exception as error:
            failure = _logged(failure_of_import(error, _folder(pipeline)))
        else:
            config = read_with_spark(spark, arguments.config)
            failure = _attempt(spark, pipeline, config, signals.stopping, begin_when)
        if failure and failure.in_code:
            signals.stopping.wait()
    with suppress(Py4JError, OSError):  # Java may have ended
        spark.stop()
    sys.exit(ended(failure, config, signals.stopping, end_java))


def _not_started(failure: Failure, arguments: argparse.Namespace, stopping: threading.Event) -> int:
    config = read_without_spark(arguments.config)
    if arguments.fit:
        sys.stdout.write(f"{failure.reason}\n")
        return failure.exit_code
    log_to_stderr(config.log_format if config else TEXT)
    _logged(failure)
    return ended(failure, config, stopping, end_java) if config else failure.exit_code


def ended(failure: Failure | None, config: JobConfig, stopping: threading.Event, end_java: Callable[[], object]) -> int:
    """Waits until the job may exit and returns its exit code.

    See ``JobConfig.final_exit_code`` and ``failure_file``.

    Args:
        failure: the query's failure; None if the job was asked to stop.
        config: the job's configuration.
        stopping: set when the job must stop.
        end_java: ends Java, to free the memory of a job that does not exit yet.
    """
    if failure is None or failure.exit_code != MUST_NOT_GO_ON:
        return failure.exit_code if failure else 0
    if config.failure_file:
        Path(config.failure_file).write_text(f"{failure.reason}\n", "utf-8")
        end_java()
        _log.error("a restart cannot help: the job waits until it is stopped or restarted by hand")
        stopping.wait()
    # The exit code may mean success only if the reason was reported.
    return config.final_exit_code if failure.reported else MUST_NOT_GO_ON


def fit(spark: SparkSession, pipeline: Pipeline, config: JobConfig) -> int:
    """Checks whether the job can resume.

    Returns the exit code and prints the reason if it is not 0.
    """
    folder = _folder(pipeline)
    try:
        failure = changed(spark, pipeline, config) or misfit(
            lambda write: _start(spark, pipeline, config, write), folder
        )
    except MissingSecretError as error:
        # Another machine may have it. The checkpoint is not the reason.
        failure = Failure(str(error))
    except JobError as error:
        failure = failure_of_declaration(error)
    except Exception as error:
        failure = failure_of_code(error, folder)
        if failure is None:
            raise
    if failure:
        sys.stdout.write(f"{failure.reason}\n")
    spark.stop()
    return failure.exit_code if failure else 0


def _attempt(
    spark: SparkSession, pipeline: Pipeline, config: JobConfig, stopping: threading.Event, begin_when: str | None
) -> Failure | None:
    if begin_when and not appeared(spark, begin_when, stopping):
        return None
    try:
        return run(spark, pipeline, config, stopping)
    except (Py4JJavaError, JobError) as error:
        return _logged(failure_at_start(error))


def _logged(failure: Failure) -> Failure:
    _log.error("%s: %s", Notice.CANNOT_START, failure.reason)
    return failure


def _folder(pipeline: Pipeline) -> Path:
    return Path(inspect.getfile(pipeline.transform)).parent


def run(spark: SparkSession, pipeline: Pipeline, config: JobConfig, stopping: threading.Event) -> Failure | None:
    """Runs the query until ``stopping`` is set.

    Returns None, or the failure that ended it.

    The query finishes and commits its current batch first, so a restart repeats no work.
    """
    waiting = StateEvents.of(pipeline, config)
    reporter = ProgressReporter(spark, config, waiting, times_read(pipeline))
    if failure := changed(spark, pipeline, config):
        return _logged(_reported(failure, reporter))
    record(spark, pipeline, config)
    control_sender = ControlRecordSender(
        spark,
        pipeline,
        config,
        waiting=waiting,
        newest_ms=reporter.newest_ms,
        watermark_ms=reporter.watermark_ms,
        on_refused=reporter.refused,
    )
    writer = BatchWriter(spark, pipeline, config, stopping)
    on_batch = (
        lambda each: reporter.batch(each, writer.steps_of(each.batchId)),
        control_sender.batch,
        writer.committed,
    )
    listener = ProgressListener(on_batch, (control_sender.idle, reporter.idle))
    spark.streams.addListener(listener)
    try:
        return _run(spark, pipeline, config, stopping, reporter, control_sender, writer)
    finally:
        writer.close()
        with suppress(Py4JError, OSError):
            # The listener gets the last batch, but no event of a later run.
            spark._jsc.sc().listenerBus().waitUntilEmpty()
            spark.streams.removeListener(listener)


def _run(
    spark: SparkSession,
    pipeline: Pipeline,
    config: JobConfig,
    stopping: threading.Event,
    reporter: ProgressReporter,
    control_sender: ControlRecordSender,
    writer: BatchWriter,
) -> Failure | None:
    try:
        query = _start(spark, pipeline, config, writer.write)
    except Exception as error:
        failure = failure_of_code(error, _folder(pipeline))
        if failure is None and isinstance(error, AnalysisException | ValueError | JobError):
            failure = failure_of_declaration(error)
        if failure is None:
            raise
        return _logged(_reported(failure, reporter))
    reporter.report("started", error=None)
    threads = (
        RepeatedCall("control records", 1, control_sender.send_due),
        RepeatedCall("heartbeat", 1, reporter.report_if_silent),
    )
    for thread in threads:
        thread.start()
    failure = _await(query, stopping, _folder(pipeline), reporter)
    for thread in threads:
        thread.stop()
    if failure is None:
        reporter.report("stopped", error=None)
        return None
    failure = _reported(failure, reporter)
    _log.error("%s: %s", Notice.FAILED, failure.reason)
    return failure


def _reported(failure: Failure, reporter: ProgressReporter) -> Failure:
    return replace(failure, reported=reporter.report("failed", error=failure.reason))


def _start(
    spark: SparkSession, pipeline: Pipeline, config: JobConfig, write: Callable[[DataFrame, int], None]
) -> StreamingQuery:
    rows = as_stream(spark, pipeline, config)
    # This checks the documents' fields before the first batch with events.
    documents_of(pipeline, rows.where(f"{ASIDE} is null").drop(ASIDE))
    return (
        rows.writeStream.queryName(pipeline.name)
        .foreachBatch(write)
        .option("checkpointLocation", config.checkpoint)
        .trigger(processingTime=f"{round(config.trigger_seconds * 1000)} milliseconds")
        .start()
    )


def _await(
    query: StreamingQuery, stopping: threading.Event, folder: Path, reporter: ProgressReporter
) -> Failure | None:
    try:
        while not stopping.is_set():
            if query.awaitTermination(_LOOK_S):  # type: ignore[arg-type]  # it accepts fractions of a second
                return Failure("the streaming query stopped unexpectedly")
        _log.info("stopping after the current batch")
        # A stop would interrupt the batch, so wait for its end. The writer refuses the next batch.
        while query.isActive and query.status["isTriggerActive"]:
            time.sleep(0.05)
        query.stop()
    except StreamingQueryException as error:
        return None if stopping.is_set() else failure_of(error, folder, fresh=not reporter.has_committed)
    except (Py4JError, OSError):
        # A signal to the process group ends the JVM first. The next start repeats its batch.
        return None if stopping.is_set() else failure_of_java(java_exit_code(), fresh=not reporter.has_committed)
    return None
