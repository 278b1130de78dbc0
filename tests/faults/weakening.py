"""Switches a protection off in a process: replaces the functions and constants that make it when they are imported.

The process under test has a copy of this file on its Python path, beside a ``sitecustomize`` that calls ``switch_off``.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from functools import partial
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

# The replacements import PySpark when they are called: every process reads this file, and most do without PySpark.


def document_id(*parts: Any) -> Any:
    from pyspark.sql import functions as F

    return F.concat(F.lit("x"), F.uuid())


def append(self: Any, letters: Any, *, since_ms: int | None) -> None:
    """Appends nothing."""


def append_letters(self: Any, *, since_ms: int | None) -> None:
    """Appends nothing."""


def not_yet_written(letters: Any, since_ms: int, topic: str, config: Any) -> Any:
    return letters


def is_text(name: str, value: Any, text: Any) -> Any:
    return value.isNotNull()


def due(
    clocks: Any,
    now: float,
    idle_timeout_seconds: float,
    outage_tolerance_seconds: float,
    resumed_at: float = 0.0,
    *,
    behind: bool = False,
) -> dict[str, float]:
    return {}


def note(self: Any, collection: str, ids: Any, watermark: Any) -> None:
    """Leaves no note."""


def is_timely(time: Any, max_clock_skew_seconds: int) -> Any:
    from pyspark.sql import functions as F

    return F.lit(True)


def is_committed(spark: Any, config: Any, batch_id: int) -> bool:
    return False


# For each protection the names that make it, as ``module:attribute``, and what replaces them. A dictionary is updated.
REPLACEMENTS: Mapping[str, Mapping[str, object]] = {
    "an _id of the event's identity only": {"tandem.engine.read.document_id:document_id": document_id},
    "dead letters": {
        "tandem.engine.write.dead_letters:DeadLetters.append": append,
        "tandem.engine.write.small_batches:SmallBatches.append_letters": append_letters,
    },
    "the check for dead letters that a repeated batch has already written": {
        "tandem.engine.write.dead_letters:not_yet_written": not_yet_written
    },
    "strict parsing": {"tandem.engine.read.json_format:is_text": is_text},
    "the control records for quiet topics": {"tandem.engine.run.idle_watermark:due": due},
    "writes that a majority has on disk": {
        "tandem.engine.write.mongo_sink:WRITE_CONCERN": {"writeConcern.w": "1", "writeConcern.journal": "false"},
        "tandem.engine.spark.mongo_client:WRITE_CONCERN": "W1",
    },
    "the notes about documents that reconcile has superseded": {"tandem.engine.write.superseded:Superseded.note": note},
    "batches of the whole backlog": {"tandem.engine.read.kafka_source:STREAM_OPTIONS": {"maxOffsetsPerTrigger": "200"}},
    "the rejection of event times in the future": {"tandem.engine.read.parse:is_timely": is_timely},
    "the check for another driver's commit": {"tandem.engine.spark.checkpoint:is_committed": is_committed},
}


# The names that have been replaced in this process.
REPLACED: list[str] = []


class Weakening:
    """Finds modules as Python does, and replaces the names of a protection in them.

    Args:
        replacements: an entry of ``REPLACEMENTS``.
    """

    def __init__(self, replacements: Mapping[str, object]) -> None:
        self._modules: dict[str, dict[str, object]] = {}
        for name, other in replacements.items():
            module, _, attribute = name.partition(":")
            self._modules.setdefault(module, {})[attribute] = other

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Returns a module's spec; None for a module that stays as it is."""
        spec = PathFinder.find_spec(name, path, target) if name in self._modules else None
        if spec is not None:
            loader: Any = spec.loader
            loader.exec_module = partial(self._weakened, loader.exec_module)
        return spec

    def _weakened(self, execute: Callable[[ModuleType], None], module: ModuleType) -> None:
        execute(module)
        for attribute, other in self._modules[module.__name__].items():
            replace(module, attribute, other)
            REPLACED.append(f"{module.__name__}:{attribute}")


def replace(module: ModuleType, attribute: str, other: object) -> None:
    """Replaces a function, a method or a constant of a module.

    Raises:
        ImportError: there is no such name, another module defines it, or its parameters or its type have changed.
    """
    *outer, last = attribute.split(".")
    holder: Any = module
    try:
        for each in outer:
            holder = getattr(holder, each)
        found = inspect.getattr_static(holder, last)
    except AttributeError:
        raise ImportError(f"a control replaces {attribute} in {module.__name__}, which has no such name") from None
    if getattr(found, "__module__", module.__name__) != module.__name__:
        raise ImportError(f"a control replaces {attribute} in {module.__name__}, which is of {found.__module__}")
    if form(found) != form(other):
        raise ImportError(f"a control replaces {attribute} in {module.__name__}, which is now {form(found)}")
    setattr(holder, last, found | other if isinstance(found, dict) and isinstance(other, dict) else other)


def form(value: object) -> object:
    """Returns a function's parameters, or a constant's type."""
    if not inspect.isfunction(value):
        return type(value).__name__
    return [(each.name, str(each.kind)) for each in inspect.signature(value).parameters.values()]


def switch_off(protection: str) -> None:
    """Switches a protection off in this process, which has imported nothing of Tandem yet."""
    sys.meta_path.insert(0, Weakening(REPLACEMENTS[protection]))
