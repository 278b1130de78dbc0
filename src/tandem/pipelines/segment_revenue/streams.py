"""Declares the stream, the lookup and the documents, without Spark.

The oracle uses it, too.
"""

from tandem.pipeline import Collection, Column, DocumentType, FieldType, Lookup, Shown, Stream, Tally, View

SALES = Stream(
    name="sales",
    topic="sales_v1",
    fields={
        "sale_id": FieldType.STRING,
        "sold_at": FieldType.TIMESTAMP,
        "customer_id": FieldType.STRING,
        "amount": FieldType.INTEGER,
    },
    event_time="sold_at",
    identity="sale_id",
)

STREAMS = (SALES,)
DEAD_LETTER_TOPIC = "segment_revenue_dead_letter_v1"

# Versions: the customer belongs to `segment` from `valid_from` until the customer's next version.
CUSTOMER_SEGMENTS = Lookup(
    collection="customer_segments",
    fields={"customer_id": FieldType.STRING, "segment": FieldType.STRING, "valid_from": FieldType.TIMESTAMP},
    indexes=(("customer_id", "valid_from"),),
)
LOOKUPS = (CUSTOMER_SEGMENTS,)
# The segment of customers without a version at the time of the sale.
UNKNOWN = "unknown"

# The job checks its documents against these fields when it starts. The indexes are for readers.
REVENUE = Collection(
    name="segment_revenue",
    fields={
        "window_start": DocumentType.TIMESTAMP,
        "window_end": DocumentType.TIMESTAMP,
        "segment": DocumentType.STRING,
        "sales": DocumentType.INTEGER,
        "revenue": DocumentType.DECIMAL,
    },
    indexes=(("segment", "window_start"), ("window_start",)),
)
COLLECTIONS = (REVENUE,)

# What the dashboard shows.
VIEW = View(
    title="Revenue by segment",
    results=REVENUE,
    noun="minutes",
    columns=(
        Column("window_start", "From"),
        Column("segment", "Segment"),
        Column("sales", "Sales"),
        Column("revenue", "Revenue", Shown.MONEY),
    ),
    event_times=("window_end",),
    key="sale_id",
    key_title="Sale id",
    money="revenue",
    tallies={"sales": Tally(matched="sales", summed=True)},
    outcomes=("counted",),
    aggregates=True,
)
