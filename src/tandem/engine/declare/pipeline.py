"""Declares a pipeline: its streams, its pure transform and its outputs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tandem.engine.declare.collection import Collection, Lookup, check_fields, check_name, name_of
from tandem.engine.declare.stream import Stream

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class SupersededBy:
    """Declares which documents become wrong by those of another collection.

    Attributes:
        collection: the other collection; its documents are final.
        ids: a pure function from the other collection's documents, and the pipeline's parameters as keywords, to rows
            of ``_id`` (string) and ``until`` (timestamp): the event time until which the job may still write the
            document.
    """

    collection: Collection | str
    ids: Callable[..., DataFrame]

    @property
    def collection_name(self) -> str:
        """The name of the other collection."""
        return name_of(self.collection)


@dataclass(frozen=True)
class Output:
    """Declares the documents of one collection.

    Attributes:
        collection: the collection. With only its name, the documents are not checked and have no indexes.
        documents: a pure function from the transform's rows to this collection's documents. The string ``_id`` must
            depend on the document's identity only, so that a replay writes the same documents again. The function may
            be called once for many batches.
        superseded_by: for documents that report something missing, which may still arrive late: what makes them wrong.
            ``reconcile`` then removes them. None for final documents; ``reconcile`` inserts missing ones.
        window: for aggregates: the documents' fields with the begin and the end of the window. Such a document is final
            once the watermark has reached the end; ``reconcile`` replaces it if late records have changed it. None if
            each document belongs to certain events only.
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
        streams: the streams to read; ``transform`` gets one DataFrame for each, in this order.
        transform: a pure function of the streams' DataFrames and, as keywords, the lookups and the pipeline's
            parameters. It runs unchanged as a stream, in append mode, and as a batch. A parameter that is a duration in
            seconds should have a name that ends with ``_seconds``: ``tandem replay`` reads that much before its range,
            and the watermark of quiet topics advances that far beyond the newest event. Without ``keeps_aside``, it
            advances a day at least.
        outputs: the collections to write.
        dead_letter_topic: the topic of rejected records.
        lookups: the collections that the transform looks up.
        keeps_aside: whether the transform, run as a stream, gets all rows and keeps the column
            ``engine.read.parse.ASIDE``, as ``interval_join`` does. Each record is then read and parsed once. Otherwise
            it gets events only, and each record is read twice.

    Raises:
        ValueError: a topic is named twice, a collection is one of Tandem's own, an output is superseded by a collection
            of another pipeline or by one whose documents change, or a window names an unknown field.

    Examples:
        >>> visits = Stream(
        ...     name="visits",
        ...     topic="visits_v1",
        ...     fields={"visit_id": FieldType.STRING, "page": FieldType.STRING, "at": FieldType.TIMESTAMP},
        ...     event_time="at",
        ...     identity="visit_id",
        ... )
        >>> def transform(visits: DataFrame) -> DataFrame:
        ...     return visits.where("page = 'home'")
        >>> def documents(rows: DataFrame) -> DataFrame:
        ...     return rows.selectExpr("visit_id AS _id", "page")
        >>> pipeline = Pipeline(
        ...     name="home_visits",
        ...     streams=(visits,),
        ...     transform=transform,
        ...     outputs=(Output(collection="home_visits", documents=documents),),
        ...     dead_letter_topic="home_visits_dead",
        ... )
        >>> rows = spark.createDataFrame([("v1", "home"), ("v2", "help")], "visit_id string, page string")
        >>> documents(pipeline.transform(rows)).show()
        +---+----+
        |_id|page|
        +---+----+
        | v1|home|
        +---+----+
        <BLANKLINE>
    """

    name: str
    streams: tuple[Stream, ...]
    transform: Callable[..., DataFrame]
    outputs: tuple[Output, ...]
    dead_letter_topic: str
    lookups: tuple[Lookup, ...] = ()
    keeps_aside: bool = False

    def __post_init__(self) -> None:
        if repeated := repeated_topics([*(stream.topic for stream in self.streams), self.dead_letter_topic]):
            raise ValueError(
                f"pipeline {self.name}: several streams, or a stream and the dead letters, have the same topic: "
                f"{', '.join(repeated)}"
            )
        final = {each.collection_name for each in self.outputs if each.superseded_by is None and each.window is None}
        for output in self.outputs:
            check_name(output.collection_name)
            if isinstance(output.collection, Collection) and output.window:
                check_fields(output.collection, "the window", output.window)
            if output.superseded_by and output.superseded_by.collection_name not in final:
                raise ValueError(
                    f"{output.collection_name} is superseded by {output.superseded_by.collection_name}, which must be "
                    "a final collection of this pipeline (no superseded_by, no window)"
                )


def repeated_topics(topics: Sequence[str]) -> list[str]:
    """Returns the topics that occur more than once."""
    return [topic for topic, number in Counter(topics).items() if number > 1]
