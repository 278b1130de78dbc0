"""Lets a running job go on with the pipeline's code as it is now, without a new driver."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from tandem.errors import TandemError
from tandem.platforms.progress import ProgressReader
from tandem.settings.model import Settings
from tandem.waiting import NotYetError, wait_for

_DEADLINE_S = 60.0


@runtime_checkable
class Reloading(Protocol):
    """A platform whose job reads the same files as whoever changes them."""

    def reload_job(self) -> None:
        """Lets the job go on with new code; returns when it does.

        Raises:
            TandemError: the job cannot start with it, and why; it waits for the next change.
            EnvironmentNotReadyError: no job runs.
        """


def reload(settings: Settings, ask: Callable[[], None]) -> None:
    """Asks the driver and returns when its new run has begun; see ``Reloading.reload_job``.

    Args:
        settings: whose job.
        ask: sends ``engine.wishes.RELOAD`` to its driver.
    """
    reader = ProgressReader(settings.mongo, settings.pipeline)
    before = reader.newest()

    def probe() -> str | None:
        newest = reader.newest()
        if newest is None or (before is not None and newest["run"] == before["run"]):
            raise NotYetError("the code of before still runs")
        return newest["error"] if newest["event"] == "failed" else None

    try:
        ask()
        error = wait_for(
            "the job to go on with the new code", probe, deadline_s=_DEADLINE_S, hint="`tandem logs job` says more"
        )
    finally:
        reader.close()
    if error:
        raise TandemError(error, hint="the job waits for the next change")
