"""Declares a pipeline: its streams, one pure transform and the collections that its documents go to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tandem.engine.schema import Stream

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class SupersededBy:
    """Tells which documents of a collection a document of another one makes wrong.

    Attributes:
        collection: the other collection.
        ids: a pure function from the other collection's documents, and the pipeline's parameters as keywords, to rows
            of ``_id`` (string) and ``until`` (timestamp): the event time up to which the job may still come to write
            the document.
    """

    collection: str
    ids: Callable[..., DataFrame]


@dataclass(frozen=True)
class Output:
    """Declares one MongoDB collection.

    Attributes:
        collection: its name.
        documents: a pure function from the transform's rows to this collection's documents, with a string ``_id`` that
            depends on the document's identity only, so that a replay writes the same documents again.
        superseded_by: what makes these documents wrong, when they say that something has not come which may come late;
            ``reconcile`` removes them then. None for documents that are right once and for all; ``reconcile`` inserts
            those that are missing.
    """

    collection: str
    documents: Callable[[DataFrame], DataFrame]
    superseded_by: SupersededBy | None = None


@dataclass(frozen=True)
class Pipeline:
    """Declares a pipeline as data and one pure function.

    Attributes:
        name: the pipeline's folder.
        streams: what is read; ``transform`` gets one DataFrame for each, in this order.
        transform: a pure function of the streams' DataFrames and the pipeline's parameters as keywords. It runs
            unchanged as a stream and as a batch, and keeps the column ``engine.parse.ASIDE``, as
            ``engine.join.interval_join`` does.
        outputs: what is written.
        dead_letter_topic: where records go that cannot be accepted.
    """

    name: str
    streams: tuple[Stream, ...]
    transform: Callable[..., DataFrame]
    outputs: tuple[Output, ...]
    dead_letter_topic: str
