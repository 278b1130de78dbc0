"""A pipeline's data as DataFrames, made by the engine's functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self, TypeVar

from pymongo import MongoClient
from pymongo.errors import PyMongoError
from pyspark.sql import DataFrame, SparkSession

from tandem.engine.declare.job_config import JobConfig
from tandem.engine.declare.pipeline import Pipeline
from tandem.engine.declare.stream import Stream
from tandem.engine.read.kafka_source import events_of, records_of, rejected_records_of, transformed
from tandem.engine.read.mongo_source import read_collection
from tandem.engine.run.pipeline_loader import send_by_value
from tandem.errors import EnvironmentNotReadyError, UsageError
from tandem.job_files import job_config
from tandem.local_spark.local_spark import scratch_folder
from tandem.notebook.spark import start_spark
from tandem.settings.connections import mongo_client
from tandem.settings.model import Settings
from tandem.verify.topics import TopicReader

_MONGO_MS = 5_000
_T = TypeVar("_T")
# The engine's functions of a stream's records up to their ends.
_Reading = Callable[[SparkSession, Stream, JobConfig, dict[str, int]], DataFrame]


class PipelineSession:
    """A pipeline's topics, transform and collections as DataFrames. It only reads.

    A DataFrame of a topic ends where the topic ended at the call, so it always has the same rows.

    Args:
        settings: the settings of a profile whose Kafka and MongoDB this machine can reach.

    Attributes:
        settings: the same settings.
        spark: the Spark session, in this process.
        pipeline: the declaration.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.pipeline = self._declared()
        self._folder = scratch_folder("session-", settings)
        try:
            self.spark: SparkSession = start_spark(settings, Path(self._folder.name))
        except BaseException:
            self._folder.cleanup()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        settings = self.settings
        return (
            f"<pipeline {settings.pipeline} in profile {settings.profile}: streams {', '.join(self.streams)}; "
            f"outputs {', '.join(self.outputs)}>"
        )

    @property
    def streams(self) -> tuple[str, ...]:
        """The streams' names, in the order of the transform's arguments."""
        return tuple(stream.name for stream in self.pipeline.streams)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The collections that the pipeline writes."""
        return tuple(output.collection_name for output in self.pipeline.outputs)

    def records(self, stream: str) -> DataFrame:
        """Returns all records of a stream's topic, unparsed.

        The columns are key, value, partition, offset, timestamp and headers.

        Raises:
            UsageError: the pipeline has no such stream.
            EnvironmentNotReadyError: Kafka does not answer or the topic is missing.
        """
        return self._read(records_of, stream)

    def events(self, stream: str) -> DataFrame:
        """Returns a stream's typed events, with repeats and late ones.

        Raises:
            UsageError: the pipeline has no such stream.
            EnvironmentNotReadyError: Kafka does not answer or the topic is missing.
        """
        return self._read(events_of, stream)

    def rejected(self, stream: str) -> DataFrame:
        """Returns the rejected records, with ``error`` and ``detail``.

        Raises:
            UsageError: the pipeline has no such stream.
            EnvironmentNotReadyError: Kafka does not answer or the topic is missing.
        """
        return self._read(rejected_records_of, stream)

    def transform(self, **events: DataFrame) -> DataFrame:
        """Returns the transform's rows, as ``tandem reconcile`` computes them.

        Args:
            events: DataFrames to use instead of the topics, by the stream's name.

        Raises:
            UsageError: the pipeline has no such stream.
            EnvironmentNotReadyError: Kafka, a topic or, for lookups, MongoDB is missing.
        """
        for name in events:
            self._stream(name)
        if self.pipeline.lookups:
            self._collections()
        frames = [events[name] if name in events else self.events(name) for name in self.streams]
        return transformed(self.spark, self.pipeline, self._config, frames)

    def output(self, collection: str, rows: DataFrame | None = None) -> DataFrame:
        """Returns the documents that a collection would get from the transform's rows.

        Args:
            collection: one of ``outputs``.
            rows: the transform's rows; None for those of all events in the topics.

        Raises:
            UsageError: the pipeline writes no such collection.
        """
        output = _named("output", collection, {each.collection_name: each for each in self.pipeline.outputs})
        return output.documents(self.transform() if rows is None else rows)

    def stored(self, collection: str) -> DataFrame:
        """Returns the documents in MongoDB; each action reads them again.

        Raises:
            UsageError: the database has no such collection.
            EnvironmentNotReadyError: MongoDB does not answer.
        """
        _named("collection", collection, dict.fromkeys(self._collections()))
        return read_collection(self.spark, self._config, collection)

    def reload(self) -> None:
        """Reloads the pipeline from its files.

        Raises:
            UsageError: they have an error; the message names the line.
        """
        location = self.settings.location
        location.forget()
        self.pipeline = self._declared()
        send_by_value(location.package)

    def stop(self) -> None:
        """Stops Spark. Another session can be opened in the same process."""
        self.spark.stop()
        self._folder.cleanup()

    @cached_property
    def _config(self) -> JobConfig:
        """The job's configuration, with this machine's references to secrets."""
        kafka, mongo = self.settings.kafka, self.settings.mongo
        config = job_config(self.settings, checkpoint="")
        return replace(
            config,
            kafka=replace(config.kafka, password=kafka.password),
            mongo=replace(config.mongo, password=mongo.password),
        )

    def _declared(self) -> Pipeline:
        declared: Pipeline = self.settings.location.module("transform").PIPELINE
        return declared

    def _stream(self, name: str) -> Stream:
        return _named("stream", name, {stream.name: stream for stream in self.pipeline.streams})

    def _read(self, read: _Reading, name: str) -> DataFrame:
        stream = self._stream(name)
        with TopicReader(self.settings.kafka, stream.topic) as reader:
            ends = {str(partition): offset for partition, offset in reader.ends().items()}
        return read(self.spark, stream, self._config, ends)

    def _collections(self) -> list[str]:
        mongo = self.settings.mongo
        try:
            with MongoClient[dict[str, Any]](**mongo_client(mongo), serverSelectionTimeoutMS=_MONGO_MS) as client:
                return sorted(client[mongo.database].list_collection_names())
        except PyMongoError as error:
            raise EnvironmentNotReadyError(
                f"MongoDB at {mongo.uri} does not answer: {type(error).__name__}",
                hint="check with `tandem status` that it is running",
            ) from None


def _named(what: str, name: str, known: Mapping[str, _T]) -> _T:
    if name in known:
        return known[name]
    raise UsageError(f"there is no {what} {name!r}", hint=f"choose one of: {', '.join(known) or 'there are none'}")
