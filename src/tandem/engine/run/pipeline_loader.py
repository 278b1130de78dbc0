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
    """Returns the pipeline that a package declares.

    Errors in its files are raised unchanged.
    """
    declared: Pipeline = importlib.import_module(f"{package}.transform").PIPELINE
    return declared


def reloaded(pipeline: Pipeline) -> Pipeline:
    """Returns the pipeline, read from its files again.

    Errors in them are raised unchanged.
    """
    package = pipeline.transform.__module__.rpartition(".")[0]
    forget(package)
    current = load_pipeline(package)
    send_by_value(package)
    return current


def send_by_value(package: str) -> None:
    """Sends a package's functions to Spark's Python workers with their code.

    Spark otherwise sends only their names, and a reused worker would run the code that it imported before.
    """
    register: Callable[[ModuleType], None] = cloudpickle.register_pickle_by_value
    register(sys.modules[package])
