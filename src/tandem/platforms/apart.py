"""Pipelines that run in one environment must not write into the same place: nobody could account for either."""

from __future__ import annotations

from collections.abc import Iterable

from tandem.catalog import declared_by
from tandem.errors import UsageError
from tandem.settings.model import Settings
from tandem.verify.oracle import load_oracle


def check_apart(pipelines: Iterable[Settings]) -> None:
    """Raises when two of the pipelines write dead letters into one topic, or documents into one collection.

    Raises:
        UsageError: the message names both, and what they share.
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
                    f"the pipelines {other} and {settings.pipeline} would both write into the {place}",
                    hint=f"name another in {settings.location.file('streams')}, as `tandem new` does",
                )


def _written(settings: Settings) -> list[str]:
    """Returns where a pipeline writes, without importing Spark. What it looks up, others may look up, too."""
    location, declared = settings.location, declared_by(settings.location)
    view = declared.view
    collections = {
        *((view.results, view.leftovers) if view else ()),
        *(load_oracle(location).COLLECTIONS if location.file("oracle").is_file() else declared.indexes),
    }
    database = settings.mongo.database
    return [
        f"topic {declared.dead_letter_topic}",
        *(f"collection {database}.{name}" for name in sorted(filter(None, collections))),
    ]
