"""Tandem: Kafka, Spark and MongoDB streaming pipelines, the same on a laptop and on Dataproc."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tandem.notebook.pipeline_session import PipelineSession

__version__ = "0.1.0"


def session(profile: str | None = None, pipeline: str | None = None) -> PipelineSession:
    """Returns a pipeline's topics, transform and collections as DataFrames of a Spark in this process.

    Args:
        profile: the environment; None for ``TANDEM_PROFILE``, else ``local`` where a Docker engine answers.
        pipeline: None for ``TANDEM_PIPELINE``, else the one that profiles.toml names.

    Raises:
        EnvironmentNotReadyError: Java, PySpark or the jars are not there.
        UsageError: there is no such profile or pipeline, or another Spark runs in this process.
    """
    # Not above: the job imports this package, too, where there is nothing beside it but the engine.
    from tandem.notebook.open import open_session

    return open_session(profile, pipeline)
