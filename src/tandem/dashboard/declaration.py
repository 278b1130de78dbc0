"""Reads what a pipeline declares about itself, without importing Spark."""

from __future__ import annotations

from dataclasses import dataclass

from tandem.catalog import PipelineLocation, declared_by
from tandem.engine.declare.stream import Stream
from tandem.engine.declare.view import View
from tandem.errors import UsageError


@dataclass(frozen=True)
class ShownPipeline:
    """One pipeline.

    Attributes:
        name: its folder.
        streams: the streams that it reads.
        dead_letter_topic: the topic of rejected records.
        view: what the dashboard shows.
    """

    name: str
    streams: tuple[Stream, ...]
    dead_letter_topic: str
    view: View


def declared(location: PipelineLocation) -> ShownPipeline:
    """Returns what a pipeline declares.

    Raises:
        UsageError: the declaration is wrong, or the module ``streams`` has no ``VIEW``.
    """
    declaration = declared_by(location)
    if declaration.view is None:
        raise UsageError(f"pipeline {location.name!r} declares no VIEW", hint=f"add one to {location.file('streams')}")
    return ShownPipeline(location.name, declaration.streams, declaration.dead_letter_topic, declaration.view)
