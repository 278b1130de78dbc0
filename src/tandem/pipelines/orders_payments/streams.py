"""The pipeline's two streams and the names of what it writes. Without Spark: producers and the oracle use it too."""

from tandem.engine.schema import FieldType, Stream

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
