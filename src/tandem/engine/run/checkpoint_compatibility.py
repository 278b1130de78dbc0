"""Checks whether a pipeline's code and settings fit a checkpoint.

To check the code, Spark plans a batch on the checkpoint without running it. A new checkpoint records the settings that
decide which documents exist, because its state depends on them. With other values, some documents would follow the old
values and some the new ones, and `tandem verify` would report differences. It also records where the documents and the
dead letters are: elsewhere, those of earlier records would be missing. Addresses may change.

The first start also fixes the format of the state. With another setting, Spark would keep the old format and only log a
line, so the job would be as slow as before.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pyspark.errors import StreamingQueryException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from tandem.engine.declare.job_config import MUST_NOT_GO_ON, JobConfig
from tandem.engine.declare.pipeline import Pipeline
from tandem.engine.declare.stream import RECORD_FILE
from tandem.engine.spark.checkpoint import last_planned, planned
from tandem.engine.spark.failure import Failure, failure_of
from tandem.engine.spark.file_system import exists, read_text, write_text

_Writer = Callable[[DataFrame, int], None]
_PARAMETER = "job.parameters."
_DATABASE, _COLLECTIONS, _DEAD_LETTER_TOPIC = "mongo.database", "collections", "dead_letter_topic"
# Spark's settings for the format of the state.
_STATE = ("spark.sql.streaming.stateStore.providerClass", "spark.sql.streaming.join.stateFormatVersion")


class FitsError(Exception):
    """Spark has planned a batch, so the checkpoint fits."""


def misfit(start: Callable[[_Writer], StreamingQuery], folder: Path) -> Failure | None:
    """Returns why the query cannot resume from its checkpoint; None if it can.

    When Spark plans a batch, it compares the checkpoint's state with the state that the query needs. Only then it calls
    the function that writes the batch.

    Args:
        start: starts the query, given the function that writes a batch.
        folder: the pipeline's folder.
    """

    def write(_batch: DataFrame, _batch_id: int) -> None:
        raise FitsError

    try:
        start(write).awaitTermination()
    except StreamingQueryException as error:
        return None if FitsError.__name__ in str(error) else failure_of(error, folder, fresh=True)
    return None


def changed(spark: SparkSession, pipeline: Pipeline, config: JobConfig) -> Failure | None:
    """Returns the failure if a setting differs from the checkpoint's.

    None if none does.

    A parameter that only one version of the code has is not compared. Spark decides whether the code fits.

    Raises:
        OSError, Py4JJavaError: the file cannot be read.
    """
    now, before = deciding(pipeline, config), _recorded(spark, config)
    for name in sorted(now.keys() & before.keys()):
        if _differs(name, before[name], now[name]):
            return Failure(_words(name, before[name], now[name]), MUST_NOT_GO_ON, in_code=True)
    return _other_state(spark, config)


def _other_state(spark: SparkSession, config: JobConfig) -> Failure | None:
    """Returns the failure if the settings name another state format, else None."""
    before = _state_settings(spark, config)
    if all(spark.conf.get(name) == value for name, value in before.items()):
        return None
    now = {name: spark.conf.get(name) for name in before}
    return Failure(
        f"the checkpoint's state has another format ({_listed(before)}) than the settings ({_listed(now)}): start with "
        f"a new checkpoint, or keep the old format, TANDEM_SPARK='{json.dumps(before)}' (docs/guides/recovery.md)",
        MUST_NOT_GO_ON,
    )


def _state_settings(spark: SparkSession, config: JobConfig) -> dict[str, str]:
    last = last_planned(spark, config)
    if last is None or not exists(spark, f"{config.checkpoint}/state"):
        return {}
    try:
        found = planned(spark, config, last).spark
    except (ValueError, LookupError):  # damaged, which Spark reports
        return {}
    return {name: found[name] for name in _STATE if name in found}


def _listed(settings: Mapping[str, str | None]) -> str:
    return ", ".join(f"{name.rpartition('.')[2]} {str(value).rpartition('.')[2]}" for name, value in settings.items())


def record(spark: SparkSession, pipeline: Pipeline, config: JobConfig) -> None:
    """Records the settings in a checkpoint that has none recorded yet.

    Raises:
        OSError, Py4JJavaError: the file cannot be written.
    """
    now = deciding(pipeline, config)
    if _recorded(spark, config) != now:
        write_text(spark, _location(config), json.dumps(now, indent=2, sort_keys=True))


def deciding(pipeline: Pipeline, config: JobConfig) -> dict[str, Any]:
    """Returns the settings that decide which documents exist and where, with defaults.

    They are JSON values by name.
    """
    declared = inspect.signature(pipeline.transform).parameters.values()
    defaults = {each.name: each.default for each in declared if _is_json(each.default)}
    parameters = {f"{_PARAMETER}{name}": value for name, value in {**defaults, **config.parameters}.items()}
    values = {
        "job.lateness_seconds": config.lateness_seconds,
        "job.max_clock_skew_seconds": config.max_clock_skew_seconds,
        _DATABASE: config.mongo.database,
        _COLLECTIONS: sorted(output.collection_name for output in pipeline.outputs),
        _DEAD_LETTER_TOPIC: pipeline.dead_letter_topic,
        **parameters,
    }
    plain: dict[str, Any] = json.loads(json.dumps(values))
    return plain


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


def _recorded(spark: SparkSession, config: JobConfig) -> dict[str, Any]:
    """Returns the checkpoint's settings; none if it has no planned batch yet."""
    location = _location(config)
    if last_planned(spark, config) is None or not exists(spark, location):
        return {}
    try:
        recorded: dict[str, Any] = json.loads(read_text(spark, location))
    except ValueError:  # damaged; treated like an old checkpoint without this file
        return {}
    return recorded


def _location(config: JobConfig) -> str:
    return f"{config.checkpoint}/{RECORD_FILE}"


def _differs(name: str, before: Any, now: Any) -> bool:
    # A collection that is no longer written leaves the others complete.
    return not set(now) <= set(before) if name == _COLLECTIONS else bool(now != before)


def _words(name: str, before: Any, now: Any) -> str:
    found = f"{name} is {json.dumps(now)}, but the checkpoint was begun with {json.dumps(before)}"
    if name in (_COLLECTIONS, _DEAD_LETTER_TOPIC):
        back = "set it back in the pipeline's declaration"
    else:
        variable = f"TANDEM_{name.upper().replace('.', '__')}"
        back = f"set it back ({variable}={before if isinstance(before, str) else json.dumps(before)})"
    if name in (_DATABASE, _COLLECTIONS, _DEAD_LETTER_TOPIC):
        anew = "start with a new checkpoint; otherwise what earlier records produced is missing in the new one"
    else:
        anew = (
            "start with a new checkpoint and without the old documents; otherwise `tandem verify` reports documents "
            "that the new value does not produce"
        )
    return f"{found}; {back}, or {anew} (docs/guides/recovery.md)"
