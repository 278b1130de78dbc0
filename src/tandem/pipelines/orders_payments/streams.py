"""Declares the streams and the documents, without Spark.

Producers and the oracle use it, too.
"""

from tandem.pipeline import Collection, Column, DocumentType, FieldType, Shown, Stream, Tally, View

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

# The job checks its documents against these fields when it starts. The indexes are for readers.
FACTS = Collection(
    name="orders_data_process_fact",
    fields={
        "order_id": DocumentType.STRING,
        "order_date": DocumentType.TIMESTAMP,
        "created_at": DocumentType.TIMESTAMP,
        "customer_id": DocumentType.STRING,
        "order_amount": DocumentType.INTEGER,
        "payment_id": DocumentType.STRING,
        "payment_date": DocumentType.TIMESTAMP,
        "payment_amount": DocumentType.INTEGER,
    },
    indexes=(("order_id",), ("customer_id", "order_date")),
)

UNMATCHED = Collection(
    name="orders_data_process_unmatched",
    fields={
        "kind": DocumentType.STRING,
        "order_id": DocumentType.STRING,
        "order_date": DocumentType.TIMESTAMP,
        "customer_id": DocumentType.STRING,
        "payment_id": DocumentType.STRING,
        "payment_date": DocumentType.TIMESTAMP,
        "created_at": DocumentType.TIMESTAMP,
        "amount": DocumentType.INTEGER,
    },
    indexes=(("order_id",), ("kind", "created_at")),
)

COLLECTIONS = (FACTS, UNMATCHED)

# What the dashboard shows.
VIEW = View(
    title="Orders and payments",
    results=FACTS,
    noun="facts",
    columns=(
        Column("order_id", "Order"),
        Column("payment_id", "Payment"),
        Column("customer_id", "Customer"),
        Column("order_date", "Ordered"),
        Column("payment_date", "Paid"),
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
