"""Opens a session after checking its requirements."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tandem.artifacts.ivy import check_spark
from tandem.platforms import default_profile
from tandem.runtimes import runtimes
from tandem.settings.load import chosen_profile, load
from tandem.settings.model import Settings

if TYPE_CHECKING:
    from tandem.notebook.pipeline_session import PipelineSession


def open_session(profile: str | None, pipeline: str | None) -> PipelineSession:
    """Returns the session of a profile and a pipeline; see ``tandem.session``."""
    name, _ = chosen_profile(profile) or default_profile()
    return session_of(load(name, {"pipeline": pipeline} if pipeline else None))


def session_of(settings: Settings) -> PipelineSession:
    """Returns the session of a profile's settings; see ``tandem.session``."""
    check_spark(runtimes().default.pyspark)
    from tandem.notebook.pipeline_session import PipelineSession

    return PipelineSession(settings)
