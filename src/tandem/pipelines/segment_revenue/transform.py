"""Adds up sales by pure functions of DataFrames, and declares the pipeline."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from tandem.pipeline import Output, Pipeline, document_id
from tandem.pipelines.segment_revenue.streams import DEAD_LETTER_TOPIC, LOOKUPS, REVENUE, STREAMS, UNKNOWN


def transform(sales: DataFrame, *, customer_segments: DataFrame, window_seconds: int) -> DataFrame:
    """Returns one row for each closed window and segment with sales.

    A repeated sale counts once. Its segment is the customer's segment at the time of the sale.

    Args:
        sales: the sales; a stream has a watermark.
        customer_segments: the versions of segments; see ``streams``.
        window_seconds: the length of a window; windows begin at multiples of it since 1970.
    """
    # The time is included so that Spark can drop an id once the watermark has passed its sale; a repeat is late then.
    once = sales.dropDuplicates(["sale_id", "sold_at"])
    known = customer_segments.where(F.col("valid_from").isNotNull())
    version = F.struct("valid_from", F.coalesce("segment", F.lit("")).alias("segment"))
    versions = known.groupBy("customer_id").agg(F.collect_list(version).alias("versions"))
    window = F.window("sold_at", f"{int(window_seconds)} seconds")
    return (
        once.join(F.broadcast(versions), "customer_id", "left")
        .groupBy(window.alias("window"), _segment().alias("segment"))
        # The sum of two amounts may exceed 64 bits.
        .agg(F.count(F.lit(1)).alias("sales"), F.sum(F.col("amount").cast("decimal(34,0)")).alias("revenue"))
    )


def minutes(rows: DataFrame) -> DataFrame:
    """Returns the windows as documents.

    ``_id`` is ``<begin in seconds since 1970>|<segment>``.
    """
    return rows.select(
        document_id(F.unix_seconds("window.start").cast("string"), "segment").alias("_id"),
        F.col("window.start").alias("window_start"),
        F.col("window.end").alias("window_end"),
        "segment",
        "sales",
        F.col("revenue").cast("decimal(34,0)").alias("revenue"),
    )


def _segment() -> Column:
    """Returns the segment of the newest version at the time of the sale.

    The greater of two equal times.
    """
    newest = F.array_max(F.filter("versions", lambda version: version["valid_from"] <= F.col("sold_at")))
    return F.coalesce(F.nullif(newest["segment"], F.lit("")), F.lit(UNKNOWN))


PIPELINE = Pipeline(
    name="segment_revenue",
    streams=STREAMS,
    transform=transform,
    outputs=(Output(collection=REVENUE, documents=minutes, window=("window_start", "window_end")),),
    dead_letter_topic=DEAD_LETTER_TOPIC,
    lookups=LOOKUPS,
)
