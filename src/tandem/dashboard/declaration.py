"""Reads what a pipeline declares about itself, without importing Spark."""

from __future__ import annotations

from dataclasses import dataclass

from tandem.catalog import Place
from tandem.engine.declare.stream import Stream
from tandem.engine.declare.view import View
from tandem.errors import UsageError


@dataclass(frozen=True)
class Declaration:
    """One pipeline.

    Attributes:
        name: its folder.
        streams: what it reads.
        dead_letter_topic: where records go that it cannot accept.
        view: what its documents mean to a reader.
    """

    name: str
    streams: tuple[Stream, ...]
    dead_letter_topic: str
    view: View


def declared(place: Place) -> Declaration:
    """Returns what a pipeline's module ``streams`` declares.

    Raises:
        UsageError: it is wrong, or it declares no ``VIEW``.
    """
    module = place.module("streams")
    if not isinstance(view := getattr(module, "VIEW", None), View):
        raise UsageError(f"pipeline {place.name!r} declares no VIEW", hint=f"add one to {place.file('streams')}")
    return Declaration(place.name, tuple(module.STREAMS), str(module.DEAD_LETTER_TOPIC), view)
