"""Writes documents to MongoDB so that writing them again changes nothing."""

from __future__ import annotations

import re

from py4j.protocol import Py4JJavaError
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from tandem.engine.config import JobConfig

_DUPLICATE_KEY = 11000


class SinkError(Exception):
    """MongoDB refused documents for another reason than that they are already there. Holds no document."""


def write_documents(documents: DataFrame, collection: str, config: JobConfig, *, few: bool) -> None:
    """Stores a batch's documents at majority write concern; storing them again has the same result, however often.

    Many documents are inserted, which is several times faster than to replace what may not be there. Where that meets
    an ``_id`` that is there already (a replayed batch, a repeated event), all of them are written again as
    replacements. A failed insert costs more than it can gain for few documents, so these are replaced at once. On
    return every document is stored.

    Args:
        documents: rows with a string ``_id``; computed up to twice, so cache what they come from.
        collection: the collection's name.
        config: where MongoDB is.
        few: no more than a few thousand documents are to be expected.

    Raises:
        SinkError: MongoDB refused a document, or a unique index other than that of ``_id`` did.
    """
    if not few and _inserted(_each_once(documents), collection, config):
        return
    try:
        _save(documents, collection, config, operationType="replace", idFieldList="_id")
    except Py4JJavaError as error:
        raise SinkError(_reason(_failure(error), collection)) from None


def _each_once(documents: DataFrame) -> DataFrame:
    """Returns the documents with one of each ``_id``.

    To look for repeats by their hashes alone is much cheaper than to sort whole documents, and most batches have none.
    """
    repeated = documents.groupBy(F.xxhash64("_id")).count().where("count > 1").limit(1)
    return documents.dropDuplicates(["_id"]) if repeated.collect() else documents


def _inserted(documents: DataFrame, collection: str, config: JobConfig) -> bool:
    try:
        _save(documents, collection, config, operationType="insert")
    except Py4JJavaError as error:
        failure = _failure(error)
        if not _met_duplicates(failure):
            raise SinkError(_reason(failure, collection)) from None
        return False
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
        .option("maxBatchSize", "10000")
        .option("ignoreNullValues", "true")
        # Ids and payloads from outside are data: never parse a string as JSON into operators or documents.
        .option("convertJson", "false")
        .options(**options)
        .save()
    )


def _met_duplicates(failure: str) -> bool:
    """Returns whether a write failed for keys that were there already, perhaps among other reasons.

    What else was wrong shows when the same documents are written as replacements: they meet it again.
    """
    return "MongoBulkWriteException" in failure and f"code={_DUPLICATE_KEY}," in failure


def _failure(error: Py4JJavaError) -> str:
    """Returns all that the failed write says of itself. It quotes documents, so it must not be shown."""
    texts, cause = [], error.java_exception
    while cause is not None:
        texts.append(cause.toString())
        cause = cause.getCause()
    return "\n".join(texts)


def _reason(failure: str, collection: str) -> str:
    """Returns why the write failed, in server codes and class names only."""
    codes = sorted(set(re.findall(r"\bcode=(\d+)", failure)))
    classes = list(
        dict.fromkeys(re.findall(r"\b(?:com\.mongodb|java|org\.bson)[\w.]*\.(\w+(?:Exception|Error))", failure))
    )
    index = ": a unique index other than that of _id refused documents" if str(_DUPLICATE_KEY) in codes else ""
    return f"writing {collection} failed{index} ({', '.join(classes)}; error codes: {', '.join(codes) or 'none'})"
