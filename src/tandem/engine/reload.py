"""Takes a pipeline from its files as they are now."""

from __future__ import annotations

import importlib

from tandem.engine.modules import forget
from tandem.engine.pipeline import Pipeline


def reloaded(pipeline: Pipeline) -> Pipeline:
    """Returns the pipeline as its files declare it now; raises whatever is wrong in them."""
    package = pipeline.transform.__module__.rpartition(".")[0]
    forget(package)
    found: Pipeline = importlib.import_module(f"{package}.pipeline").PIPELINE
    return found
