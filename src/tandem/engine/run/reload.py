"""Reloads a pipeline's package from its files."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from types import ModuleType

from pyspark import cloudpickle

from tandem.engine.declare.modules import forget
from tandem.engine.declare.pipeline import Pipeline


def reloaded(pipeline: Pipeline) -> Pipeline:
    """Returns the pipeline as its files declare it now; raises whatever is wrong in them."""
    package = pipeline.transform.__module__.rpartition(".")[0]
    forget(package)
    found: Pipeline = importlib.import_module(f"{package}.pipeline").PIPELINE
    send_by_value(package)
    return found


def send_by_value(package: str) -> None:
    """Lets Spark's Python workers get a package's functions with their code.

    By their names alone, a worker that lives on would take them from the modules that it has imported before.
    """
    register: Callable[[ModuleType], None] = cloudpickle.register_pickle_by_value
    register(sys.modules[package])
