"""Joins orders with their payments, and declares the pipeline."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from tandem.pipeline import Output, Pipeline, SupersededBy, document_id, interval_join, no_longer_alone
from tandem.pipelines.orders_payments.streams import DEAD_LETTER_TOPIC, FACTS, STREAMS, UNMATCHED

DEFAULT_MATCH_WINDOW_SECONDS = 30 * 60


def transform(
    orders: DataFrame, payments: DataFrame, *, match_window_seconds: int = DEFAULT_MATCH_WINDOW_SECONDS
) -> DataFrame:
    """Returns one row for each matching pair and each unmatched event.

    A pair matches if both have the same ``order_id`` and ``|payment_date - order_date| <= match_window_seconds``. In an
    unmatched row, all columns of the other side are null.
    """
    return interval_join(
        orders.withColumnsRenamed({"created_at": "order_created_at", "amount": "order_amount"}),
        payments.withColumnsRenamed(
            {"order_id": "payment_order_id", "created_at": "payment_created_at", "amount": "payment_amount"}
        ),
        on=("order_id", "payment_order_id"),
        times=("order_date", "payment_date"),
        within_seconds=match_window_seconds,
    )


def facts(joined: DataFrame) -> DataFrame:
    """Returns the matched pairs as documents of the fact collection."""
    return joined.where(F.col("order_id").isNotNull() & F.col("payment_id").isNotNull()).select(
        document_id("order_id", "payment_id").alias("_id"),
        "order_id",
        "order_date",
        F.col("order_created_at").alias("created_at"),
        "customer_id",
        "order_amount",
        "payment_id",
        "payment_date",
        "payment_amount",
    )


def unmatched(joined: DataFrame) -> DataFrame:
    """Returns unmatched orders and payments as documents.

    Fields of the other kind are null.
    """
    is_order = F.col("payment_id").isNull()
    order_fields = ("order_date", "customer_id")
    payment_fields = ("payment_id", "payment_date")
    return joined.where(F.col("order_id").isNull() | F.col("payment_id").isNull()).select(
        F.when(is_order, F.concat(F.lit("order|"), "order_id"))
        .otherwise(F.concat(F.lit("payment|"), "payment_id"))
        .alias("_id"),
        F.when(is_order, F.lit("order")).otherwise(F.lit("payment")).alias("kind"),
        F.coalesce("order_id", "payment_order_id").alias("order_id"),
        *order_fields,
        *payment_fields,
        F.coalesce("order_created_at", "payment_created_at").alias("created_at"),
        F.coalesce("order_amount", "payment_amount").alias("amount"),
    )


def no_longer_unmatched(facts: DataFrame, *, match_window_seconds: int = DEFAULT_MATCH_WINDOW_SECONDS) -> DataFrame:
    """Returns the ``_id``s of a fact's events as unmatched documents.

    ``until`` is the event time at which they would have been written.
    """
    kinds = {"order": ("order_id", "order_date"), "payment": ("payment_id", "payment_date")}
    return no_longer_alone(facts, kinds, within_seconds=match_window_seconds)


PIPELINE = Pipeline(
    name="orders_payments",
    streams=STREAMS,
    transform=transform,
    outputs=(
        Output(collection=FACTS, documents=facts),
        Output(
            collection=UNMATCHED,
            documents=unmatched,
            superseded_by=SupersededBy(collection=FACTS, ids=no_longer_unmatched),
        ),
    ),
    dead_letter_topic=DEAD_LETTER_TOPIC,
    keeps_aside=True,
)
