"""Renders the state as the values that all open pages get."""

from __future__ import annotations

import time
from base64 import b64encode
from contextlib import suppress
from dataclasses import asdict
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlsplit

from bson import json_util
from bson.datetime_ms import DatetimeMS
from bson.dbref import DBRef
from bson.decimal128 import Decimal128

from tandem import __version__
from tandem.dashboard.declaration import ShownPipeline
from tandem.dashboard.health import job_state, problems
from tandem.dashboard.mongo import milliseconds
from tandem.dashboard.series import LENGTH_S, Point, quantile
from tandem.dashboard.state import Batch, PipelineState, committed, lag
from tandem.engine.declare.view import Shown
from tandem.producer.document_id import text_of
from tandem.runtimes import runtimes
from tandem.settings.model import Settings

# For a page that missed an update or two.
_OVERLAP_S = 15
_RATE_S = 5
_LATENCY_S = 60


def environment(settings: Settings, declaration: ShownPipeline) -> dict[str, Any]:
    """Returns the values that do not change; addresses without credentials."""
    view = declaration.view
    return {
        "profile": settings.profile,
        "description": settings.description,
        "pipeline": declaration.name,
        "title": view.title,
        "tandem": __version__,
        "kafka": settings.kafka.bootstrap,
        "mongo": urlsplit(settings.mongo.uri).netloc,
        "database": settings.mongo.database,
        "cloud": settings.backend == "dataproc",
        "results": view.results.name,
        "noun": view.noun,
        "leftovers": view.leftovers.name if view.leftovers else None,
        "outcomes": list(view.outcomes),
        "aggregates": view.aggregates,
        "dead_letter_topic": declaration.dead_letter_topic,
        "columns": [asdict(column) for column in view.columns],
        "key": view.key,
        "key_title": view.key_title,
        "money": view.money is not None,
        "streams": [{"name": stream.name, "topic": stream.topic} for stream in declaration.streams],
    }


def history(state: PipelineState) -> dict[str, Any]:
    """Returns the history, for a page that was just opened."""
    now = int(time.time())
    with state.lock:
        points = [
            _point(point) if point.second >= state.began else [point.second, None, None, None, None]
            for point in state.seconds.points(now - LENGTH_S, now - 1)
        ]
        return {"points": points, "batches": [asdict(batch) for batch in state.batches]}


def snapshot(state: PipelineState, declaration: ShownPipeline) -> dict[str, Any]:
    """Returns the current values."""
    now, clock = time.time(), time.monotonic()
    second = int(now)
    with state.lock:
        recent = list(state.seconds.points(second - _OVERLAP_S, second - 1))
        latencies = state.seconds.latencies(second - _LATENCY_S, second)
        return {
            "now": now,
            "problems": problems(state, declaration, clock),
            "links": {"mongo": asdict(state.mongo), "kafka": asdict(state.kafka)},
            "other_pages": state.other_pages,
            "topics": [_topic(state, stream.topic) for stream in declaration.streams],
            "dead": _dead(state, declaration),
            "job": _job(state, declaration, clock),
            "results": _results(recent[-_RATE_S:], latencies),
            "sampled": now - state.sampled_at < _OVERLAP_S,
            "account": asdict(state.account) if state.account else None,
            "points": [_point(point) for point in recent],
            "batches": [asdict(batch) for batch in list(state.batches)[-_OVERLAP_S:]],
            "newest": [_row(document, declaration) for document in reversed(state.newest)],
        }


def _topic(state: PipelineState, topic: str) -> dict[str, Any]:
    ends = state.ends.get(topic)
    return {
        "topic": topic,
        "records": sum(ends.values()) if ends is not None else None,
        "rate": state.rates.get(topic),
        "lag": lag(state, topic),
    }


def _dead(state: PipelineState, declaration: ShownPipeline) -> dict[str, Any]:
    topic = declaration.dead_letter_topic
    reasons: dict[str, int] = {}
    for (_, error), number in state.dead.items():
        reasons[error] = reasons.get(error, 0) + number
    return {"count": sum(reasons.values()), "rate": state.rates.get(topic), "reasons": reasons}


def _job(state: PipelineState, declaration: ShownPipeline, clock: float) -> dict[str, Any]:
    report = state.progress or {}
    behind = [lag(state, stream.topic) for stream in declaration.streams]
    watermark = milliseconds(report.get("watermark"))
    batches = list(state.batches)[-10:]
    return {
        "state": job_state(state, clock),
        "silent_s": clock - state.heard_at if state.progress else None,
        "batch": report.get("batch"),
        "rows_total": sum(sum(committed(report, stream.topic).values()) for stream in declaration.streams),
        "rate": _batch_rate(batches),
        "lag": None if None in behind or not behind else sum(number or 0 for number in behind),
        "watermark": watermark,
        "late": report.get("late_total"),
        "rejected": _rejected(report),
        "state_events": report.get("state_events"),
        "state_bytes": report.get("state_bytes"),
        "runtime": _runtime(report.get("runtime")),
    }


def _rejected(report: dict[str, Any]) -> int | None:
    """Returns the number of rejected records so far; None without a report."""
    streams = report.get("streams")
    return None if streams is None else sum(stream.get("rejected", 0) for stream in streams.values())


def _batch_rate(batches: list[Batch]) -> float:
    """Returns the records a second of the last batches, 0 if the newest is old."""
    now = time.time()
    recent = [batch for batch in batches if now - batch.at < _RATE_S]
    return sum(batch.rows for batch in recent) / _RATE_S


def _runtime(reported: dict[str, Any] | None) -> dict[str, Any] | None:
    """Returns the job's versions, and their differences from the cloud's image."""
    if not reported:
        return None
    names = ("spark", "java", "python", "scala")
    versions = {name: str(reported.get(name)) for name in names}
    wanted = runtimes().meant_by(versions["spark"])
    return {**versions, "image": wanted.image, "differs": wanted.differences(reported)}


def _results(recent: list[Point], latencies: list[float]) -> dict[str, Any]:
    seconds = max(1, len(recent))
    return {
        "rate": sum(point.count for point in recent) / seconds,
        "money_rate": sum(point.money for point in recent) / seconds,
        "p50": quantile(latencies, 0.5),
        "p99": quantile(latencies, 0.99),
    }


def _point(point: Point) -> list[float | None]:
    return [
        point.second,
        round(point.count, 1),
        round(point.money, 1),
        None if point.p50 is None else round(point.p50, 3),
        None if point.p99 is None else round(point.p99, 3),
    ]


def _row(document: dict[str, Any], declaration: ShownPipeline) -> list[Any]:
    key = None if declaration.view.aggregates else declaration.view.key
    return [
        _key(value) if column.field == key else shown(value, column.shown)
        for column, value in ((column, document.get(column.field)) for column in declaration.view.columns)
    ]


def _key(value: Any) -> Any:
    """Returns a key in the form in which it is searched; a date as a day."""
    if isinstance(value, DatetimeMS):
        with suppress(OverflowError):
            return str(date(1970, 1, 1) + timedelta(milliseconds=int(value)))
    return shown(value, Shown.TEXT)


def shown(value: Any, kind: Shown) -> Any:
    """Returns a field's value for the page.

    A time is in milliseconds since 1970; other values are texts or numbers.

    A time whose column is not declared as a time becomes ``{"time": milliseconds}``.
    """
    if kind is Shown.TIME:
        return milliseconds(value)
    match value:
        case DatetimeMS():
            return {"time": int(value)}
        case dict() | list() | DBRef():
            return json_util.dumps(value, json_options=json_util.RELAXED_JSON_OPTIONS, ensure_ascii=False)[:200]
        case bool():
            return text_of(value)
        case bytes():
            return b64encode(value).decode()[:200]
        case Decimal128():
            return format(value.to_decimal(), "f")[:200]
        # A number beyond 2^53 would lose its last digits in a browser.
        case int() if abs(value) < 2**53:
            return value
        case _:
            return None if value is None else str(value)[:200]
