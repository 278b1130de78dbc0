"""Pipelines that run in one environment must not write into the same place: nobody could account for either."""

from __future__ import annotations

from collections.abc import Iterable

from tandem.errors import UsageError
from tandem.platforms.provision import streams_of
from tandem.settings.model import Settings


def check_apart(pipelines: Iterable[Settings]) -> None:
    """Raises when two of the pipelines write dead letters into one topic, or documents into one collection.

    Raises:
        UsageError: the message names both, and what they share.
    """
    writers: dict[str, str] = {}
    for settings in pipelines:
        for place in _written(settings):
            other = writers.setdefault(place, settings.pipeline)
            if other != settings.pipeline:
                raise UsageError(
                    f"the pipelines {other} and {settings.pipeline} would both write into the {place}",
                    hint=f"name another in {settings.place.file('streams')}, as `tandem new` does",
                )


def _written(settings: Settings) -> list[str]:
    _, dead_letter_topic = streams_of(settings.place)
    view = getattr(settings.place.module("streams"), "VIEW", None)
    collections = (getattr(view, "results", None), getattr(view, "leftovers", None))
    database = settings.mongo.database
    return [f"topic {dead_letter_topic}", *(f"collection {database}.{name}" for name in collections if name)]
