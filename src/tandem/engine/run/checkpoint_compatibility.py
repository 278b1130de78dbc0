"""Checks whether a pipeline's code and settings fit a checkpoint.

For the code, Spark plans a batch on the checkpoint without running it. The settings that decide which documents exist
are recorded in the checkpoint when it is new: its state was made by these values. With others, part of the documents
would follow the old ones and part the new ones. `tandem verify`, which knows one value of each, would then report
differences.

How the state is stored is fixed by a checkpoint's first start, too. Spark would go on with the old store and say so in
the log alone, so the job would be as slow as before.
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
# Spark's settings of the format of the state.
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
    """Returns the failure if a setting differs from the checkpoint's; None if none does.

    A parameter that only one version of the code has is not compared. Spark decides whether the code fits.

    Raises:
        OSError, Py4JJavaError: the file cannot be read.
    """
    now, before = deciding(pipeline, config), _recorded(spark, config)
    for name in sorted(now.keys() & before.keys()):
        if now[name] != before[name]:
            return Failure(_words(name, before[name], now[name]), MUST_NOT_GO_ON)
    return _other_state(spark, config)


def _other_state(spark: SparkSession, config: JobConfig) -> Failure | None:
    """Returns why the state's format is not the checkpoint's; None when it is, or the checkpoint has no state."""
    before = _state_settings(spark, config)
    if all(spark.conf.get(name) == value for name, value in before.items()):
        return None
    now = {name: spark.conf.get(name) for name in before}
    return Failure(
        f"the checkpoint's state has another format ({_listed(before)}) than the settings name ({_listed(now)}): start "
        f"with a new checkpoint, or keep the old format, TANDEM_SPARK='{json.dumps(before)}' (docs/guides/recovery.md)",
        MUST_NOT_GO_ON,
    )


def _state_settings(spark: SparkSession, config: JobConfig) -> dict[str, str]:
    last = last_planned(spark, config)
    if last is None or not exists(spark, f"{config.checkpoint}/state"):
        return {}
    try:
        found = planned(spark, config, last).spark
    except (ValueError, LookupError):  # damaged: Spark says so
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
    """Returns the settings that decide which documents exist, as JSON values by name, with the defaults."""
    declared = inspect.signature(pipeline.transform).parameters.values()
    defaults = {each.name: each.default for each in declared if _is_json(each.default)}
    parameters = {f"{_PARAMETER}{name}": value for name, value in {**defaults, **config.parameters}.items()}
    values = {
        "job.lateness_seconds": config.lateness_seconds,
        "job.max_clock_skew_seconds": config.max_clock_skew_seconds,
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


def _words(name: str, before: Any, now: Any) -> str:
    variable = f"TANDEM_{name.upper().replace('.', '__')}"
    old = before if isinstance(before, str) else json.dumps(before)
    return (
        f"{name} is {json.dumps(now)}, but the checkpoint was begun with {json.dumps(before)}: set it back "
        f"({variable}={old}), or start with a new checkpoint and without the old documents, because `tandem verify` "
        "would report documents that the new value does not produce (docs/guides/recovery.md)"
    )
