"""Rejects jobs that would write to the same topic or collection."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from tandem.catalog import declared_by
from tandem.errors import UsageError
from tandem.settings.load import load
from tandem.settings.model import Settings


def check_conflicts(jobs: Iterable[Settings], running: Iterable[str] = ()) -> None:
    """Raises if two jobs share a dead-letter topic or a collection.

    Args:
        jobs: the settings of the jobs to start.
        running: the pipelines whose jobs run in the same environment.

    Raises:
        UsageError: the message names both pipelines, and the shared topic or collection.
    """
    starting = list(jobs)
    checked = {settings.pipeline: settings for settings in starting}
    for name in running:
        if name not in checked:
            # A running pipeline may be in another folder than this one.
            with suppress(UsageError):
                checked[name] = load(starting[0].profile, {"pipeline": name}, named=False)
    if len(checked) < 2:
        return
    writers: dict[str, str] = {}
    for settings in checked.values():
        for place in _written(settings):
            other = writers.setdefault(place, settings.pipeline)
            if other != settings.pipeline:
                raise UsageError(
                    f"the pipelines {other} and {settings.pipeline} would both write to the {place}",
                    hint=f"rename it in {settings.location.file('streams')}",
                )


def _written(settings: Settings) -> list[str]:
    """Returns the topic and collections that a pipeline writes, without Spark."""
    declared, database = declared_by(settings.location), settings.mongo.database
    return [
        f"topic {declared.dead_letter_topic}",
        *(f"collection {database}.{collection.name}" for collection in declared.collections),
    ]
