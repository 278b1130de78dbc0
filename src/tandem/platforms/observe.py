"""Builds the status of a job from its reports and Kafka's offsets."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import UTC
from typing import Any

from tandem.engine.run.attention import warnings
from tandem.errors import TandemError
from tandem.job_files import RECONCILE, REPLAY
from tandem.parsing import parse_json
from tandem.platforms.progress import lag
from tandem.platforms.provision import streams_of
from tandem.platforms.replica_set import REPLICA_SET
from tandem.settings.model import MongoSettings, Settings

_AGAIN = "the documents it wrote before are correct; it is safe to run it again"
# The batches as the beginning of a message.
BATCHES = {RECONCILE: "the reconciliation", REPLAY: "the replay"}

Newest = Mapping[str, Any]


def lag_of(settings: Settings, newest: Newest) -> int | None:
    """Returns the number of records that the job has not committed.

    None if Kafka does not answer.

    Args:
        settings: the pipeline's settings.
        newest: the job's newest progress document.
    """
    streams, _ = streams_of(settings.location)
    return lag(settings.kafka, [stream.topic for stream in streams], newest["committed"] or {})


def has_committed(settings: Settings, newest: Newest | None) -> bool:
    """Returns whether a driver has committed a batch, or had nothing to commit.

    Args:
        settings: the pipeline's settings.
        newest: the newest progress document of this driver; None if it wrote none yet.
    """
    if newest is None or not newest["committed"]:
        return False
    return newest["event"] in ("batch", "idle") or (newest["event"] == "started" and lag_of(settings, newest) == 0)


def dead_letters_of(report: Newest) -> int | None:
    """Returns the number of rejected records so far; None without a report."""
    streams = report.get("streams")
    return None if streams is None else sum(stream.get("rejected", 0) for stream in streams.values())


def batch_report(entry: str, code: int, output: str, log: str) -> dict[str, Any]:
    """Returns the report that ``engine.run.batch`` printed.

    Args:
        entry: ``RECONCILE`` or ``REPLAY``.
        code: its exit code.
        output: its standard output; the report is the last line.
        log: its other output.

    Raises:
        TandemError: it failed.
    """
    lines = output.strip().splitlines()
    if code != 0:
        raise batch_failed(entry, reason_in(log) or f"exit code {code}")
    try:
        report = parse_json(lines[-1] if lines else "")
    except ValueError:
        report = None
    if not isinstance(report, dict):
        raise batch_failed(entry, reason_in(log) or "it printed no report")
    return report


def reason_in(log: str) -> str | None:
    """Returns why a batch failed, as its log says; None if it does not."""
    if own := re.search(r"\b(?:JobError|CannotGoOnError): (.+)", log):
        return own[1].strip()
    # The first line that names one: stack traces and consequences follow.
    lines = [line.strip() for line in log.splitlines()]
    errors = [line for line in lines if re.match(r"(: |Caused by: )?[\w.]+(Error|Exception)\b", line)]
    return errors[0].lstrip(": ")[:300] if errors else None


def batch_failed(entry: str, reason: str) -> TandemError:
    """Returns the error of a failed batch; see ``batch_report``."""
    return TandemError(f"{BATCHES[entry]} failed: {reason}", hint=_AGAIN)


def mongo_address(mongo: MongoSettings) -> str:
    """Returns MongoDB's address for clients on this machine.

    It is the same for containers and processes.

    The embedded job connects to the replica set, so that it waits for a primary. In containers the set's member has a
    name that this machine cannot resolve, so clients connect directly.
    """
    ours = f"mongodb://127.0.0.1:{mongo.port}/?"
    return f"{ours}directConnection=true" if mongo.uri == f"{ours}replicaSet={REPLICA_SET}" else mongo.uri


def dashboard_url(settings: Settings) -> str:
    """Returns the URL of the dashboard on this machine."""
    return f"http://127.0.0.1:{settings.ui.dashboard_port}"


def status(
    settings: Settings,
    *,
    state: str,
    driver: str | None,
    ready: bool,
    newest: Newest | None,
    behind: int | None,
    problem: str | None,
    dashboard: bool,
    dashboard_problem: str | None = None,
    first: bool = True,
    spark_port: int | None = None,
    pages: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Returns the object of ``tandem status --json``.

    Args:
        settings: the profile's settings.
        state: the job's state: ``stopped``, ``starting``, ``running`` or ``failed``. In a cloud also ``stopping``, and
            ``unknown`` while the cloud does not answer.
        driver: the id of its process or container.
        ready: whether records that are sent now are joined.
        newest: the newest progress document of any driver.
        behind: the lag in records, None if unknown.
        problem: a problem that does not resolve by itself, if any.
        dashboard: whether it runs or starts.
        dashboard_problem: why the dashboard cannot be reached now.
        first: whether the dashboard shows this pipeline by default.
        spark_port: the port of Spark's page on this machine; None if there is none.
        pages: the URLs of other programs' pages that run, by name.
    """
    report = newest or {}
    watermark = report.get("watermark")
    page = "" if first else f"/?pipeline={settings.pipeline}"
    return {
        "profile": settings.profile,
        "pipeline": settings.pipeline,
        "ready": ready,
        "kafka": {"bootstrap": settings.kafka.bootstrap},
        "mongo": {"uri": mongo_address(settings.mongo), "database": settings.mongo.database},
        "job": {
            "state": state,
            "pid_or_id": driver,
            "last_batch": report.get("batch"),
            "input_rows_total": report.get("input_rows_total"),
            "lag": behind,
            "watermark": watermark.astimezone(UTC).isoformat().replace("+00:00", "Z") if watermark else None,
            # Records dropped as late since the topics' beginning.
            "late_total": report.get("late_total"),
            "dead_letters_total": dead_letters_of(report),
            "url": None if spark_port is None else f"http://127.0.0.1:{spark_port}",
        },
        "dashboard": {
            "url": f"{dashboard_url(settings)}{page}" if dashboard else None,
            "problem": dashboard_problem if dashboard else None,
        },
        "pages": dict(pages or {}),
        "problem": problem,
        # What needs attention while the job runs.
        "warnings": list(warnings(report, time.time()).values()),
    }
