"""Writes documents to MongoDB idempotently: writing them again changes nothing."""

from __future__ import annotations

import logging
from functools import cached_property
from typing import NamedTuple

from py4j.protocol import Py4JJavaError
from pyspark.errors.exceptions.captured import CapturedException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from tandem.engine.declare.collection import ID
from tandem.engine.declare.job_config import JobConfig
from tandem.engine.spark.connection_options import mongo_uri
from tandem.engine.spark.dates import as_json, has_days_or_nested, may_change
from tandem.engine.spark.failure import CannotGoOnError, JobError, mongo_error, texts_of
from tandem.engine.write.driver_rows import DriverQuery, DriverRows
from tandem.engine.write.driver_writer import MONGODB, DriverWriter

# Tasks replace fewer documents than these at once: their failed insert would cost more than a successful one saves.
FEW = 10_000
# After existing documents, the driver replaces those of this many small batches: events that repeat do so often.
_REPLACED_BATCHES = 20
# A batch is committed only when a majority has its documents on disk.
WRITE_CONCERN = {"writeConcern.w": "majority", "writeConcern.journal": "true"}
_DUPLICATE_KEY = 11000
# Spark's error has this text.
_NO_ID = "a document has no _id"
_log = logging.getLogger(__name__)
_INSERT = {"operationType": "insert"}
_REPLACE = {"operationType": "replace", "idFieldList": "_id"}


class _Writers(NamedTuple):
    """The documents of small batches, and the two ways to write them."""

    query: DriverQuery
    inserting: DriverWriter
    replacing: DriverWriter


def write_documents(
    documents: DataFrame, collection: str, config: JobConfig, *, few: bool, old: bool | None = None
) -> None:
    """Stores a batch's documents at majority write concern.

    It may be called again for the same batch.

    Many documents are inserted, which is several times faster than an upsert. If the insert meets an existing ``_id``
    (of a replayed batch or a repeated event), all documents are written again as replacements. Few documents are
    replaced at once, because a failed job would cost more than a successful insert saves. On return, every document is
    stored with its dates unchanged.

    Args:
        documents: rows with a string ``_id`` that is not null; they are computed up to twice, so cache their source.
        collection: the collection's name.
        config: MongoDB's address.
        few: whether fewer than ``FEW`` documents are expected.
        old: whether the source rows have a time for which ``dates.is_old`` is true; None if that is unknown.

    Raises:
        JobError: MongoDB did not store them.
        CannotGoOnError: a retry cannot help, because of the login, a unique index other than that of ``_id``, or a
            document without an ``_id``.
    """
    # Writing dates as text costs more for each document. For few documents, a query for old dates would cost more.
    unsure = (few or may_change(documents)) if old is None else old
    as_text = unsure or has_days_or_nested(documents)
    if not few and _inserted(_each_once(documents), collection, config, as_text=as_text):
        return
    try:
        _save(documents, collection, config, as_text=as_text, **_REPLACE)
    except Py4JJavaError as error:
        raise _error(texts_of(error), f"writing {collection}") from None


class SmallWriter:
    """Stores the documents of small batches in one collection.

    The driver writes them, with the result of ``write_documents``. It inserts them first, too: in the driver, a failed
    insert costs one request.

    Args:
        rows: of the batches.
        documents: a query over ``rows.placeholder``.
        collection: the collection's name.
        config: MongoDB's address.

    Attributes:
        documents: the documents of the last collected batch.
    """

    def __init__(self, rows: DriverRows, documents: DataFrame, collection: str, config: JobConfig) -> None:
        self._rows, self._collection, self._config = rows, collection, config
        self.documents, self._days_or_nested = DriverQuery(rows, _with_ids(documents)), has_days_or_nested(documents)
        self._batches_to_replace = 0

    @cached_property
    def _as_text(self) -> _Writers:
        return self._writers(DriverQuery(self._rows, as_json(self.documents.declared)), as_text=True)

    @cached_property
    def _as_it_is(self) -> _Writers:
        return self._writers(self.documents, as_text=False)

    def _writers(self, query: DriverQuery, *, as_text: bool) -> _Writers:
        options = _options(self._collection, self._config, as_text)
        inserting, replacing = (DriverWriter(query.declared, MONGODB, options | each) for each in (_INSERT, _REPLACE))
        return _Writers(query, inserting, replacing)

    def write(self, *, old: bool) -> None:
        """Stores the documents of the batch.

        If that fails, Spark's tasks write them, or raise the explained error.

        Args:
            old: as for ``write_documents``.

        Raises:
            JobError, CannotGoOnError: as for ``write_documents``.
        """
        try:
            self._write(self._as_text if old or self._days_or_nested else self._as_it_is)
        except CapturedException as error:
            what = f"writing {self._collection}"
            if _NO_ID in str(error):
                raise _error(_NO_ID, what) from None
            # The documents' expressions failed on a row, which the text may quote.
            raise JobError(f"{what} failed: {error.getCondition() or type(error).__name__}") from None
        except Py4JJavaError:
            _log.warning("documents not written by the driver; tasks try it again")
            # The login may have changed since.
            self.close()
            write_documents(self.documents.frame(), self._collection, self._config, few=True, old=old)

    def _write(self, writers: _Writers) -> None:
        rows = writers.query.rows()
        if self._batches_to_replace:
            self._batches_to_replace -= 1
        else:
            try:
                writers.inserting.write(rows)
            except Py4JJavaError as error:
                if not _met_duplicates(texts_of(error)):
                    raise
                self._batches_to_replace = _REPLACED_BATCHES
            else:
                return
        writers.replacing.write(rows)

    def close(self) -> None:
        """Releases the clients. A later write takes new ones."""
        for name in ("_as_text", "_as_it_is"):
            if writers := vars(self).pop(name, None):
                writers.inserting.close()
                writers.replacing.close()


def _with_ids(documents: DataFrame) -> DataFrame:
    """Returns documents that fail if an ``_id`` is null.

    MongoDB would invent another ``_id`` each time such a document is written.
    """
    return documents.withColumn(ID, F.coalesce(ID, F.raise_error(F.lit(_NO_ID))))


def _each_once(documents: DataFrame) -> DataFrame:
    """Returns one document for each ``_id``.

    Most batches have no repeats. A search for repeated hashes is much cheaper than sorting whole documents.
    """
    repeated = documents.groupBy(F.xxhash64("_id")).count().where("count > 1").limit(1)
    return documents.dropDuplicates(["_id"]) if repeated.collect() else documents


def _inserted(documents: DataFrame, collection: str, config: JobConfig, *, as_text: bool) -> bool:
    # Sorted by _id, MongoDB writes each page of the index once; a million documents take a quarter less time.
    ordered = documents.sortWithinPartitions("_id")
    try:
        _save(ordered, collection, config, as_text=as_text, **_INSERT)
    except Py4JJavaError as error:
        failure = texts_of(error)
        if not _met_duplicates(failure):
            raise _error(failure, f"writing {collection}") from None
        return False
    return True


def _save(documents: DataFrame, collection: str, config: JobConfig, *, as_text: bool, **options: str) -> None:
    documents = _with_ids(documents)
    written = as_json(documents) if as_text else documents
    written.write.format("mongodb").mode("append").options(**_options(collection, config, as_text), **options).save()


def _error(failure: str, what: str) -> JobError:
    if _NO_ID in failure:
        return CannotGoOnError(
            f"{what} failed: {_NO_ID}; make it of fields that are never null, or filter such rows, and restart the job"
        )
    return mongo_error(failure, what)


def _options(collection: str, config: JobConfig, as_text: bool) -> dict[str, str]:
    return {
        "connection.uri": mongo_uri(config),
        "database": config.mongo.database,
        "collection": collection,
        **WRITE_CONCERN,
        "ordered": "false",
        "maxBatchSize": "10000",
        "ignoreNullValues": "true",
        # Ids and payloads are data, never operators or documents. So the connector may parse strings only if all of
        # them are written as JSON.
        "convertJson": "any" if as_text else "false",
    }


def _met_duplicates(failure: str) -> bool:
    """Returns whether a write failed because of existing ``_id``s.

    There may be other reasons, too.

    Other reasons show again when the same documents are written as replacements.
    """
    return "MongoBulkWriteException" in failure and f"code={_DUPLICATE_KEY}," in failure
