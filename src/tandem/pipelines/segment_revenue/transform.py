"""Adds up sales by pure functions of DataFrames, and declares the pipeline."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from tandem.pipeline import Output, Pipeline, document_id
from tandem.pipelines.segment_revenue.streams import DEAD_LETTER_TOPIC, LOOKUPS, REVENUE, STREAMS, UNKNOWN


def transform(sales: DataFrame, *, customer_segments: DataFrame, window_seconds: int) -> DataFrame:
    """Returns one row for each window and segment in which something was sold, once the window is over.

    A sale that was sent again counts once. Its segment is the customer's as of the time of the sale.

    Args:
        sales: events, with a watermark when they are a stream.
        customer_segments: versions; see ``streams``.
        window_seconds: how long a window is; windows begin at multiples of it since 1970.
    """
    # With the time, so that Spark forgets an id once the watermark has passed its sale: a repeat is then late.
    once = sales.dropDuplicates(["sale_id", "sold_at"])
    known = customer_segments.where(F.col("valid_from").isNotNull())
    version = F.struct("valid_from", F.coalesce("segment", F.lit("")).alias("segment"))
    versions = known.groupBy("customer_id").agg(F.collect_list(version).alias("versions"))
    window = F.window("sold_at", f"{int(window_seconds)} seconds")
    return (
        once.join(F.broadcast(versions), "customer_id", "left")
        .groupBy(window.alias("window"), _segment().alias("segment"))
        # Two amounts may be more than 64 bits together.
        .agg(F.count(F.lit(1)).alias("sales"), F.sum(F.col("amount").cast("decimal(34,0)")).alias("revenue"))
    )


def minutes(rows: DataFrame) -> DataFrame:
    """Returns the windows as documents; ``_id`` is ``<beginning in seconds since 1970>|<segment>``."""
    return rows.select(
        document_id(F.unix_seconds("window.start").cast("string"), "segment").alias("_id"),
        F.col("window.start").alias("window_start"),
        F.col("window.end").alias("window_end"),
        "segment",
        "sales",
        F.col("revenue").cast("decimal(34,0)").alias("revenue"),
    )


def _segment() -> Column:
    """Returns the segment of the newest version that is not after the sale; of two of one time the greater."""
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
