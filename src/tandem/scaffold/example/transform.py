"""Transforms events to documents, and declares the pipeline."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from tandem.pipeline import Output, Pipeline, SupersededBy, document_id, interval_join, no_longer_alone
from tandem.scaffold.example.streams import ANSWERED, DEAD_LETTER_TOPIC, STREAMS, UNANSWERED


def transform(requests: DataFrame, responses: DataFrame, *, timeout_seconds: int) -> DataFrame:
    """Returns one row for each answered request and each unmatched event.

    A response belongs to the request that it names if their times differ by at most ``timeout_seconds``. In an
    unmatched row, all columns of the other side are null.
    """
    return interval_join(
        requests,
        responses.withColumnRenamed("request_id", "answers"),
        on=("request_id", "answers"),
        times=("requested_at", "responded_at"),
        within_seconds=timeout_seconds,
    )


def answered(joined: DataFrame) -> DataFrame:
    """Returns the requests with a response as documents."""
    return joined.where(F.col("request_id").isNotNull() & F.col("response_id").isNotNull()).select(
        document_id("request_id", "response_id").alias("_id"),
        "request_id",
        "response_id",
        "service",
        "status",
        "requested_at",
        "responded_at",
        (F.unix_millis("responded_at") - F.unix_millis("requested_at")).alias("duration_ms"),
    )


def unanswered(joined: DataFrame) -> DataFrame:
    """Returns unmatched requests and responses as documents.

    They do not have the fields of the other kind.
    """
    is_request = F.col("response_id").isNull()
    return joined.where(is_request | F.col("request_id").isNull()).select(
        F.when(is_request, F.concat(F.lit("request|"), "request_id"))
        .otherwise(F.concat(F.lit("response|"), "response_id"))
        .alias("_id"),
        F.when(is_request, F.lit("request")).otherwise(F.lit("response")).alias("kind"),
        F.coalesce("request_id", "answers").alias("request_id"),
        "service",
        "requested_at",
        "response_id",
        "status",
        "responded_at",
    )


def no_longer_unanswered(answered: DataFrame, *, timeout_seconds: int) -> DataFrame:
    """Returns the unmatched documents that each answer makes wrong."""
    kinds = {"request": ("request_id", "requested_at"), "response": ("response_id", "responded_at")}
    return no_longer_alone(answered, kinds, within_seconds=timeout_seconds)


PIPELINE = Pipeline(
    name="example",
    streams=STREAMS,
    transform=transform,
    outputs=(
        Output(collection=ANSWERED, documents=answered),
        Output(
            collection=UNANSWERED,
            documents=unanswered,
            superseded_by=SupersededBy(collection=ANSWERED, ids=no_longer_unanswered),
        ),
    ),
    dead_letter_topic=DEAD_LETTER_TOPIC,
    keeps_aside=True,
)
