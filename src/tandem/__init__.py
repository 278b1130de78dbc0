"""Runs Kafka, Spark and MongoDB pipelines on a laptop and in the cloud."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tandem.notebook.pipeline_session import PipelineSession

__version__ = "0.1.0"


def session(profile: str | None = None, pipeline: str | None = None) -> PipelineSession:
    """Returns a pipeline's data as DataFrames of a Spark in this process.

    The data are its topics, its transform's result and its collections.

    Args:
        profile: the profile; None for ``TANDEM_PROFILE``, else the running one, else ``local`` if Docker answers.
        pipeline: the pipeline; None for ``TANDEM_PIPELINE``, else the one that profiles.toml names.

    Raises:
        EnvironmentNotReadyError: Java, PySpark or the jars are missing.
        UsageError: the profile or pipeline does not exist, or another Spark runs in this process.
    """
    # Imported here, because the job on a cluster imports this package without the notebook's.
    from tandem.notebook.open import open_session

    return open_session(profile, pipeline)
