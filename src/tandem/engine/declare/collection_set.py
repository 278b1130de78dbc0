"""Names a second set of a pipeline's collections, beside its own ones."""

from __future__ import annotations

from dataclasses import replace

from tandem.engine.declare.collection import Collection
from tandem.engine.declare.pipeline import Output, Pipeline


def name_beside(collection: str, suffix: str) -> str:
    """Returns the name of a collection in the set with a suffix.

    Without a suffix, it is the collection itself.

    Examples:
        >>> name_beside("facts", "v2"), name_beside("facts", "")
        ('facts_v2', 'facts')
    """
    return f"{collection}_{suffix}" if suffix else collection


def beside(pipeline: Pipeline, suffix: str) -> Pipeline:
    """Returns the pipeline with the collections of the set with a suffix."""

    def renamed(collection: Collection | str) -> Collection | str:
        if isinstance(collection, str):
            return name_beside(collection, suffix)
        return replace(collection, name=name_beside(collection.name, suffix))

    def moved(output: Output) -> Output:
        by = output.superseded_by
        return replace(
            output,
            collection=renamed(output.collection),
            superseded_by=by and replace(by, collection=renamed(by.collection)),
        )

    return replace(pipeline, outputs=tuple(map(moved, pipeline.outputs)))
