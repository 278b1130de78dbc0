"""What a pipeline declares about itself, without importing Spark."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

from tandem.engine.schema import Stream
from tandem.engine.view import View
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


def declared(pipeline: str) -> Declaration:
    """Returns what a pipeline's module ``streams`` declares.

    Raises:
        UsageError: there is no such pipeline, or it declares no ``VIEW``.
    """
    name = f"tandem.pipelines.{pipeline}.streams"
    try:
        module: Any = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not name.startswith(error.name):
            raise
        raise UsageError(
            f"there is no pipeline {pipeline!r}", hint="a pipeline is a folder in tandem/pipelines"
        ) from None
    if not isinstance(view := getattr(module, "VIEW", None), View):
        raise UsageError(f"pipeline {pipeline!r} declares no VIEW", hint=f"add one to {name.replace('.', '/')}.py")
    return Declaration(pipeline, tuple(module.STREAMS), str(module.DEAD_LETTER_TOPIC), view)
