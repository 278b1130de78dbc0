"""Declares a pipeline: its streams, one pure transform and the collections that its documents go to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tandem.engine.declare.collection import Collection, Lookup, check_fields, name_of
from tandem.engine.declare.stream import Stream

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class SupersededBy:
    """Tells which documents of a collection a document of another one makes wrong.

    Attributes:
        collection: the other collection, whose documents are right once and for all.
        ids: a pure function from the other collection's documents, and the pipeline's parameters as keywords, to rows
            of ``_id`` (string) and ``until`` (timestamp): the event time up to which the job may still come to write
            the document.
    """

    collection: Collection | str
    ids: Callable[..., DataFrame]

    @property
    def collection_name(self) -> str:
        """The name of the other collection."""
        return name_of(self.collection)


@dataclass(frozen=True)
class Output:
    """Declares which documents a collection gets.

    Attributes:
        collection: the collection. Its name alone is enough; then the documents are not checked and have no indexes.
        documents: a pure function from the transform's rows to this collection's documents, with a string ``_id`` that
            depends on the document's identity only, so that a replay writes the same documents again. It may be called
            once for many batches.
        superseded_by: what makes these documents wrong, when they say that something has not come which may come late;
            ``reconcile`` removes them then. None for documents that are right once and for all; ``reconcile`` inserts
            those that are missing.
        window: of aggregates, the documents' fields with the time from which and the time up to which events count in
            them. Such a document is final when the watermark has reached the second; ``reconcile`` then replaces it
            where late records have changed it. None where each document is about certain events alone.
    """

    collection: Collection | str
    documents: Callable[[DataFrame], DataFrame]
    superseded_by: SupersededBy | None = None
    window: tuple[str, str] | None = None

    @property
    def collection_name(self) -> str:
        """The collection's name."""
        return name_of(self.collection)


@dataclass(frozen=True)
class Pipeline:
    """Declares a pipeline as data and one pure function.

    Attributes:
        name: the pipeline's folder.
        streams: what is read; ``transform`` gets one DataFrame for each, in this order.
        transform: a pure function of the streams' DataFrames and, as keywords, the lookups and the pipeline's
            parameters. It runs unchanged as a stream, in append mode, and as a batch.
        outputs: what is written.
        dead_letter_topic: where records go that cannot be accepted.
        lookups: what the transform looks up.
        keeps_aside: whether the transform, run as a stream, gets all rows and keeps the column
            ``engine.read.parse.ASIDE``, as ``interval_join`` does: each record is then read and parsed once. Else it
            gets events alone, and records are read twice.

    Raises:
        ValueError: an output is superseded by what is no collection of this pipeline, or by one whose documents change;
            or its window names an unknown field.
    """

    name: str
    streams: tuple[Stream, ...]
    transform: Callable[..., DataFrame]
    outputs: tuple[Output, ...]
    dead_letter_topic: str
    lookups: tuple[Lookup, ...] = ()
    keeps_aside: bool = False

    def __post_init__(self) -> None:
        final = {each.collection_name for each in self.outputs if each.superseded_by is None and each.window is None}
        for output in self.outputs:
            if isinstance(output.collection, Collection) and output.window:
                check_fields(output.collection, "the window", output.window)
            if output.superseded_by and output.superseded_by.collection_name not in final:
                raise ValueError(
                    f"{output.collection_name} is superseded by {output.superseded_by.collection_name}, which must be "
                    "a final collection of this pipeline (no superseded_by, no window)"
                )
