"""The pipeline's stream and the names of what it reads and writes. Without Spark: the oracle uses it too."""

from tandem.pipeline import Column, FieldType, Shown, Stream, Tally, View

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

# Versions: from `valid_from` on, until the customer's next one, the customer belongs to `segment`.
CUSTOMER_SEGMENTS = "customer_segments"
# The segment of customers of whom there is no version as of the sale.
UNKNOWN = "unknown"
REVENUE = "segment_revenue"

# The indexes that readers need besides that of _id: field names, in order.
INDEXES = {
    REVENUE: (("segment", "window_start"), ("window_start",)),
    CUSTOMER_SEGMENTS: (("customer_id", "valid_from"),),
}

# What the dashboard shows of it.
VIEW = View(
    title="Revenue by segment",
    results=REVENUE,
    noun="minutes",
    columns=(
        Column("window_start", "From", Shown.TIME),
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
