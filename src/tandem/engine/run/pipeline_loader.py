"""Loads a pipeline from its package, and reloads it from its files."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from types import ModuleType

from pyspark import cloudpickle

from tandem.engine.declare.modules import forget
from tandem.engine.declare.pipeline import Pipeline


def load_pipeline(package: str) -> Pipeline:
    """Returns the pipeline that a package declares; raises whatever is wrong in its files."""
    declared: Pipeline = importlib.import_module(f"{package}.transform").PIPELINE
    return declared


def reloaded(pipeline: Pipeline) -> Pipeline:
    """Returns the pipeline as its files declare it now; raises whatever is wrong in them."""
    package = pipeline.transform.__module__.rpartition(".")[0]
    forget(package)
    current = load_pipeline(package)
    send_by_value(package)
    return current


def send_by_value(package: str) -> None:
    """Lets Spark's Python workers get a package's functions with their code.

    By their names alone, a worker that lives on would take them from the modules that it has imported before.
    """
    register: Callable[[ModuleType], None] = cloudpickle.register_pickle_by_value
    register(sys.modules[package])
