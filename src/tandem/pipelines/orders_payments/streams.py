"""The pipeline's two streams and the names of what it writes. Without Spark: producers and the oracle use it too."""

from tandem.pipeline import Column, FieldType, Shown, Stream, Tally, View

ORDERS = Stream(
    name="orders",
    topic="orders_topic_data_v1",
    fields={
        "order_id": FieldType.STRING,
        "order_date": FieldType.TIMESTAMP,
        "created_at": FieldType.TIMESTAMP,
        "customer_id": FieldType.STRING,
        "amount": FieldType.INTEGER,
    },
    event_time="order_date",
    identity="order_id",
)

PAYMENTS = Stream(
    name="payments",
    topic="payments_topic_data_v1",
    fields={
        "payment_id": FieldType.STRING,
        "order_id": FieldType.STRING,
        "payment_date": FieldType.TIMESTAMP,
        "created_at": FieldType.TIMESTAMP,
        "amount": FieldType.INTEGER,
    },
    event_time="payment_date",
    identity="payment_id",
)

STREAMS = (ORDERS, PAYMENTS)
DEAD_LETTER_TOPIC = "orders_payments_dead_letter_v1"
FACTS = "orders_data_process_fact"
UNMATCHED = "orders_data_process_unmatched"

# The indexes that readers need besides that of _id: field names, in order.
INDEXES = {
    FACTS: (("order_id",), ("customer_id", "order_date")),
    UNMATCHED: (("order_id",), ("kind", "created_at")),
}

# What the dashboard shows of it.
VIEW = View(
    title="Orders and payments",
    results=FACTS,
    noun="facts",
    columns=(
        Column("order_id", "Order"),
        Column("payment_id", "Payment"),
        Column("customer_id", "Customer"),
        Column("order_date", "Ordered", Shown.TIME),
        Column("payment_date", "Paid", Shown.TIME),
        Column("payment_amount", "Amount", Shown.MONEY),
    ),
    event_times=("order_date", "payment_date"),
    key="order_id",
    key_title="Order id",
    money="payment_amount",
    leftovers=UNMATCHED,
    tallies={
        "orders": Tally(matched="order_id", many=True, leftover={"kind": "order"}),
        "payments": Tally(matched="payment_id", many=False, leftover={"kind": "payment"}),
    },
)
