"""Joins orders with their shipments, and declares the pipeline."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from tandem.pipeline import Output, Pipeline, SupersededBy, document_id, interval_join, no_longer_alone
from tandem.pipelines.shipped_orders.streams import DEAD_LETTER_TOPIC, SHIPPED, STREAMS, UNSHIPPED

_TOTAL = "decimal(34,2)"
_OF_ORDER = ("ordered_at", "items", "coupon")
_OF_SHIPMENT = ("shipment_id", "shipped_at", "carrier", "insured")


def transform(orders: DataFrame, shipments: DataFrame, *, ship_within_seconds: int) -> DataFrame:
    """Returns one row for each matching pair and each unmatched event.

    An order may have several shipments. In a row without a partner, all columns of the other side are null.
    """
    return interval_join(
        orders,
        shipments.withColumnRenamed("order_id", "shipped_order_id"),
        on=("order_id", "shipped_order_id"),
        times=("ordered_at", "shipped_at"),
        within_seconds=ship_within_seconds,
    )


def shipped(joined: DataFrame) -> DataFrame:
    """Returns the shipments of orders as documents, with the order's total."""
    return joined.where(F.col("order_id").isNotNull() & F.col("shipment_id").isNotNull()).select(
        document_id("order_id", "shipment_id").alias("_id"),
        "order_id",
        *_OF_ORDER,
        _total().alias("total"),
        *_OF_SHIPMENT,
    )


def unshipped(joined: DataFrame) -> DataFrame:
    """Returns unmatched orders and shipments as documents."""
    is_order = F.col("shipment_id").isNull()
    kind = F.when(is_order, "order").otherwise("shipment")
    return joined.where(is_order | F.col("order_id").isNull()).select(
        F.concat(kind, F.lit("|"), F.coalesce("shipment_id", "order_id")).alias("_id"),
        kind.alias("kind"),
        F.coalesce("order_id", "shipped_order_id").alias("order_id"),
        *_OF_ORDER,
        *_OF_SHIPMENT,
    )


def _total() -> Column:
    """Returns the sum of the items' prices times their counts."""
    nothing = F.lit(0).cast(_TOTAL)
    return F.aggregate("items", nothing, lambda total, item: (total + item["price"] * item["count"]).cast(_TOTAL))


def no_longer_unshipped(documents: DataFrame, *, ship_within_seconds: int) -> DataFrame:
    """Returns the ``_id``s of a shipped order's events as unshipped documents."""
    kinds = {"order": ("order_id", "ordered_at"), "shipment": ("shipment_id", "shipped_at")}
    return no_longer_alone(documents, kinds, within_seconds=ship_within_seconds)


PIPELINE = Pipeline(
    name="shipped_orders",
    streams=STREAMS,
    transform=transform,
    outputs=(
        Output(collection=SHIPPED, documents=shipped),
        Output(
            collection=UNSHIPPED,
            documents=unshipped,
            superseded_by=SupersededBy(collection=SHIPPED, ids=no_longer_unshipped),
        ),
    ),
    dead_letter_topic=DEAD_LETTER_TOPIC,
    keeps_aside=True,
)
