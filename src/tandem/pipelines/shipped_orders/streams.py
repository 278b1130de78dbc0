"""Declares the streams and the documents, without Spark.

The generator and the oracle use it, too.
"""

from tandem.pipeline import Collection, Column, DocumentType, FieldType, Shown, Stream, Tally, View

ORDERS = Stream(
    name="orders",
    topic="item_orders_v1",
    fields={
        "order_id": FieldType.STRING,
        "ordered_at": FieldType.EPOCH_MILLISECONDS,
        "items": FieldType.array(
            FieldType.record(
                {"sku": FieldType.STRING, "price": FieldType.decimal(12, 2), "count": FieldType.INTEGER_32}
            )
        ),
        "coupon": FieldType.STRING.optional(),
    },
    event_time="ordered_at",
    identity="order_id",
)

SHIPMENTS = Stream(
    name="shipments",
    topic="shipments_v1",
    fields={
        "shipment_id": FieldType.STRING,
        "order_id": FieldType.STRING,
        "shipped_at": FieldType.EPOCH_MILLISECONDS,
        "carrier": FieldType.enum("post", "courier"),
        "insured": FieldType.BOOLEAN.default(False),
    },
    event_time="shipped_at",
    identity="shipment_id",
)

STREAMS = (ORDERS, SHIPMENTS)
DEAD_LETTER_TOPIC = "shipped_orders_dead_letter_v1"

# The job checks its documents against these fields when it starts. The indexes are for readers.
SHIPPED = Collection(
    name="shipped_orders",
    fields={
        "order_id": DocumentType.STRING,
        "ordered_at": DocumentType.TIMESTAMP,
        "items": DocumentType.ARRAY,
        "total": DocumentType.DECIMAL,
        "coupon": DocumentType.STRING,
        "shipment_id": DocumentType.STRING,
        "shipped_at": DocumentType.TIMESTAMP,
        "carrier": DocumentType.STRING,
        "insured": DocumentType.BOOLEAN,
    },
    indexes=(("order_id",), ("items.sku",)),
)

UNSHIPPED = Collection(
    name="unshipped_orders",
    fields={
        "kind": DocumentType.STRING,
        "order_id": DocumentType.STRING,
        "ordered_at": DocumentType.TIMESTAMP,
        "items": DocumentType.ARRAY,
        "coupon": DocumentType.STRING,
        "shipment_id": DocumentType.STRING,
        "shipped_at": DocumentType.TIMESTAMP,
        "carrier": DocumentType.STRING,
        "insured": DocumentType.BOOLEAN,
    },
    indexes=(("order_id",), ("kind",)),
)

COLLECTIONS = (SHIPPED, UNSHIPPED)

# What the dashboard shows.
VIEW = View(
    title="Shipped orders",
    results=SHIPPED,
    noun="shipments",
    columns=(
        Column("order_id", "Order"),
        Column("shipment_id", "Shipment"),
        Column("ordered_at", "Ordered"),
        Column("shipped_at", "Shipped"),
        Column("items", "Items"),
        Column("coupon", "Coupon"),
        Column("total", "Total", Shown.MONEY),
    ),
    event_times=("ordered_at", "shipped_at"),
    key="order_id",
    key_title="Order id",
    money="total",
    leftovers=UNSHIPPED,
    tallies={
        "orders": Tally(matched="order_id", many=True, leftover={"kind": "order"}),
        "shipments": Tally(matched="shipment_id", leftover={"kind": "shipment"}),
    },
)
