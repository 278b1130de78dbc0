"""What the job learns from the report that Spark makes of a batch."""

from __future__ import annotations

import json
import uuid
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pyspark.sql.streaming.listener import QueryStartedEvent, SourceProgress, StreamingQueryProgress

from tandem.engine.run.query_listener import JavaListener, ProgressListener

RUN = uuid.uuid4()
OFFSETS = ("startOffset", "endOffset", "latestOffset")
# A batch that began in the same millisecond as the one before: Spark leaves out the rates of the sources.
REPORT: dict[str, Any] = {
    "id": str(uuid.uuid4()),
    "runId": str(RUN),
    "name": "orders_payments",
    "timestamp": "2026-11-30T06:00:00.123Z",
    "batchId": 7,
    "batchDuration": 450,
    "numInputRows": 3,
    "durationMs": {"addBatch": 300, "triggerExecution": 450},
    "eventTime": {"watermark": "2026-11-30T05:55:00.000Z"},
    "stateOperators": [
        {
            "operatorName": "symmetricHashJoin",
            "numRowsTotal": 2,
            "numRowsUpdated": 2,
            "allUpdatesTimeMs": 10,
            "numRowsRemoved": 0,
            "allRemovalsTimeMs": 1,
            "commitTimeMs": 5,
            "memoryUsedBytes": 1000,
            "numRowsDroppedByWatermark": 1,
            "numShufflePartitions": 2,
            "numStateStoreInstances": 2,
        }
    ],
    "sources": [
        {
            "description": "KafkaV2[Subscribe[orders]]",
            "startOffset": {"orders": {"0": 1}},
            "endOffset": {"orders": {"0": 4}},
            "latestOffset": {"orders": {"0": 4}},
            "numInputRows": 3,
        }
    ],
    "sink": {"description": "ForeachBatchSink", "numOutputRows": -1},
    "observedMetrics": {"orders": {"events": 2, "control": 0, "rejected": 1, "newest_ms": None}},
}
STARTED = cast(QueryStartedEvent, SimpleNamespace(runId=RUN))


def java_event(report: dict[str, Any]) -> Any:
    return SimpleNamespace(progress=lambda: SimpleNamespace(json=lambda: json.dumps(report)))


def test_the_report_of_a_batch_is_read_from_one_text() -> None:
    found: list[StreamingQueryProgress] = []
    listener = ProgressListener([found.append], [])
    listener.onQueryStarted(STARTED)
    java = JavaListener(listener)
    java.onQueryProgress(java_event({**REPORT, "runId": str(uuid.uuid4())}))
    java.onQueryProgress(java_event(REPORT))
    (progress,) = found
    assert (progress.batchId, progress.runId, progress.numInputRows) == (7, RUN, 3)
    assert progress.durationMs == REPORT["durationMs"]
    assert progress.eventTime["watermark"] == "2026-11-30T05:55:00.000Z"
    assert json.loads(progress.sources[0].endOffset) == {"orders": {"0": 4}}
    (operator,) = progress.stateOperators
    assert (operator.numRowsTotal, operator.memoryUsedBytes, operator.numRowsDroppedByWatermark) == (2, 1000, 1)
    row = progress.observedMetrics["orders"]
    assert [row[name] for name in ("events", "control", "rejected", "newest_ms")] == [2, 0, 1, None]


def test_offsets_are_json_whatever_pyspark_makes_of_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    newer = SourceProgress.fromJson.__func__  # type: ignore[attr-defined]  # of the class

    def older(cls: type[SourceProgress], source: dict[str, Any]) -> SourceProgress:
        """As in PySpark 4.0 and 4.1."""
        return cast(SourceProgress, newer(cls, source | {name: str(source[name]) for name in OFFSETS}))

    monkeypatch.setattr(SourceProgress, "fromJson", classmethod(older))
    found: list[StreamingQueryProgress] = []
    listener = ProgressListener([found.append], [])
    listener.onQueryStarted(STARTED)
    JavaListener(listener).onQueryProgress(java_event(REPORT))
    (source,) = found[0].sources
    assert [json.loads(getattr(source, name)) for name in OFFSETS] == [REPORT["sources"][0][name] for name in OFFSETS]


def test_a_batch_that_one_cannot_note_reaches_the_others(caplog: pytest.LogCaptureFixture) -> None:
    found: list[int] = []

    def fails(_: StreamingQueryProgress) -> None:
        raise ValueError("no JSON")

    listener = ProgressListener([fails, lambda progress: found.append(progress.batchId)], [])
    listener.onQueryStarted(STARTED)
    JavaListener(listener).onQueryProgress(java_event(REPORT))
    assert found == [7]
    assert "no JSON" in caplog.text
