"""Writes documents to MongoDB so that writing them again changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.sql import DataFrame

from tandem.engine.config import JobConfig

_DUPLICATE_KEY = 11000


class SinkError(Exception):
    """MongoDB refused documents for another reason than that they are already there. Holds no document."""


def write_documents(documents: DataFrame, collection: str, config: JobConfig) -> bool:
    """Writes a batch's documents and returns whether some had been written before.

    The documents are inserted unordered, at majority write concern. Where that meets an ``_id`` that is there already
    (a replayed batch, a repeated event), all of them are written again as replacements, which has the same result
    however often it is done. On return every document is stored.

    Args:
        documents: any number of rows with a string ``_id``; computed twice in the second case, so cache what they come
        from.
        collection: the collection's name.
        config: where MongoDB is.

    Raises:
        SinkError: MongoDB refused a document, or a unique index other than that of ``_id`` did.
    """
    try:
        _save(documents, collection, config, operationType="insert")
    except Py4JJavaError as error:
        if not _only_duplicate_ids(error):
            raise SinkError(_reason(error, collection)) from None
    else:
        return False
    try:
        _save(documents, collection, config, operationType="replace", idFieldList="_id")
    except Py4JJavaError as error:
        raise SinkError(_reason(error, collection)) from None
    return True


def _save(documents: DataFrame, collection: str, config: JobConfig, **options: str) -> None:
    (
        documents.write.format("mongodb")
        .mode("append")
        .option("connection.uri", config.mongo_uri)
        .option("database", config.database)
        .option("collection", collection)
        .option("writeConcern.w", "majority")
        .option("writeConcern.journal", "true")
        .option("ordered", "false")
        .option("maxBatchSize", "1000")
        .option("ignoreNullValues", "true")
        # Ids and payloads from outside are data: never parse a string as JSON into operators or documents.
        .option("convertJson", "false")
        .options(**options)
        .save()
    )


def _causes(error: Py4JJavaError) -> Iterator[Any]:
    cause = error.java_exception
    while cause is not None:
        yield cause
        yield from cause.getSuppressed()
        cause = cause.getCause()


def _bulk_errors(error: Py4JJavaError) -> list[Any]:
    for cause in _causes(error):
        if cause.getClass().getName() == "com.mongodb.MongoBulkWriteException":
            return [*cause.getWriteErrors(), *([c] if (c := cause.getWriteConcernError()) is not None else [])]
    return []


def _only_duplicate_ids(error: Py4JJavaError) -> bool:
    """Returns whether the write failed for nothing but ``_id``s that are there already."""
    found = _bulk_errors(error)
    return bool(found) and all(e.getCode() == _DUPLICATE_KEY and " index: _id_ " in e.getMessage() for e in found)


def _reason(error: Py4JJavaError, collection: str) -> str:
    """Returns why the write failed, in server codes and class names: the drivers' messages quote documents."""
    found = _bulk_errors(error)
    if found:
        codes = sorted({e.getCode() for e in found})
        index = "; a unique index other than _id refused documents" if _DUPLICATE_KEY in codes else ""
        return f"MongoDB refused documents of {collection} with error codes {codes}{index}"
    names = [cause.getClass().getSimpleName() for cause in _causes(error)]
    return f"writing {collection} failed: {' <- '.join(names)}"
