"""Rejects pipelines that would write to the same topic or collection."""

from __future__ import annotations

from collections.abc import Iterable

from tandem.catalog import declared_by
from tandem.errors import UsageError
from tandem.settings.model import Settings


def check_apart(pipelines: Iterable[Settings]) -> None:
    """Raises if two pipelines share a dead-letter topic or a collection.

    Raises:
        UsageError: the message names both, and the shared topic or collection.
    """
    found = list(pipelines)
    if len({settings.pipeline for settings in found}) < 2:
        return
    writers: dict[str, str] = {}
    for settings in found:
        for place in _written(settings):
            other = writers.setdefault(place, settings.pipeline)
            if other != settings.pipeline:
                raise UsageError(
                    f"the pipelines {other} and {settings.pipeline} would both write to the {place}",
                    hint=f"rename it in {settings.location.file('streams')}",
                )


def _written(settings: Settings) -> list[str]:
    """Returns the topic and collections that a pipeline writes, without importing Spark."""
    declared, database = declared_by(settings.location), settings.mongo.database
    return [
        f"topic {declared.dead_letter_topic}",
        *(f"collection {database}.{collection.name}" for collection in declared.collections),
    ]
