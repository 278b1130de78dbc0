"""Declares and generates records of twenty fields with nested arrays."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from tandem.pipeline import FieldType, Stream

STREAM = Stream(
    name="nested",
    topic="nested_v1",
    fields={
        "order_id": FieldType.STRING,
        "ordered_at": FieldType.TIMESTAMP,
        "created_at": FieldType.EPOCH_MILLISECONDS,
        "customer_id": FieldType.INTEGER,
        "name": FieldType.STRING,
        "email": FieldType.TEXT.optional(),
        "status": FieldType.enum("new", "paid", "shipped"),
        "paid": FieldType.BOOLEAN,
        "gift": FieldType.BOOLEAN.default(False),
        "total": FieldType.decimal(12, 2),
        "tax": FieldType.decimal(12, 2),
        "weight": FieldType.DOUBLE,
        "due_on": FieldType.DATE,
        "note": FieldType.TEXT.optional(),
        "coupon": FieldType.STRING.optional(),
        "address": FieldType.record({"street": FieldType.STRING, "city": FieldType.STRING, "zip": FieldType.STRING}),
        "items": FieldType.array(
            FieldType.record(
                {
                    "sku": FieldType.STRING,
                    "price": FieldType.decimal(12, 2),
                    "count": FieldType.INTEGER_32,
                    "tags": FieldType.array(FieldType.TEXT),
                }
            )
        ),
        "payments": FieldType.array(
            FieldType.record({"method": FieldType.enum("card", "transfer"), "amount": FieldType.decimal(12, 2)})
        ),
        "labels": FieldType.map(FieldType.TEXT),
        "version": FieldType.INTEGER_32,
    },
    event_time="ordered_at",
    identity="order_id",
)
# 2026-01-01 in UTC; Kafka's timestamps are an hour later.
_START_S = 1_767_225_600
_ARRIVED_S = _START_S + 3600


def kafka_records(spark: SparkSession, count: int) -> DataFrame:
    """Returns records in the schema of Spark's Kafka source.

    They are the same for the same count. About half of the optional fields are missing. Arrays have up to four
    items.
    """
    return spark.range(count).select(
        F.col("id").cast("string").cast("binary").alias("key"),
        F.to_json(F.struct(*(value.alias(name) for name, value in _values().items()))).cast("binary").alias("value"),
        F.lit(STREAM.topic).alias("topic"),
        F.lit(0).alias("partition"),
        F.col("id").alias("offset"),
        F.timestamp_seconds(F.lit(_ARRIVED_S)).alias("timestamp"),
        F.lit(None).cast("array<struct<key: string, value: binary>>").alias("headers"),
    )


def _values() -> dict[str, Column]:
    number = F.col("id")
    second = F.lit(_START_S) + number % 3600
    every_other = number % 2 == 0
    item = F.struct(
        F.concat(F.lit("sku-"), number % 997).alias("sku"),
        _money(number % 20_000).alias("price"),
        (number % 3 + 1).alias("count"),
        F.slice(F.array(F.lit("red"), F.lit("large")), 1, (number % 3).cast("int")).alias("tags"),
    )
    payment = F.struct(F.lit("card").alias("method"), _money(number % 90_000).alias("amount"))
    return {
        "order_id": F.concat(F.lit("order-"), number),
        "ordered_at": F.date_format(F.timestamp_seconds(second), "yyyy-MM-dd'T'HH:mm:ss'Z'"),
        "created_at": second * 1000,
        "customer_id": number % 5000,
        "name": F.concat(F.lit("Zoë "), number % 5000),
        "email": F.when(every_other, F.concat(F.lit("zoe"), number, F.lit("@example.org"))),
        "status": F.element_at(F.array(*map(F.lit, ("new", "paid", "shipped"))), (number % 3 + 1).cast("int")),
        "paid": every_other,
        "gift": F.when(every_other, F.lit(True)),
        "total": _money(number % 1_000_000),
        "tax": _money(number % 1000),
        "weight": (number % 1000) / 8,
        "due_on": F.lit("2026-02-01"),
        "note": F.when(~every_other, F.lit("leave it at the door")),
        "coupon": F.when(every_other, F.lit("WELCOME")),
        "address": F.struct(
            F.lit("Main Street 5").alias("street"), F.lit("Springfield").alias("city"), F.lit("12345").alias("zip")
        ),
        "items": F.array_repeat(item, (number % 5).cast("int")),
        "payments": F.array_repeat(payment, (number % 2 + 1).cast("int")),
        "labels": F.create_map(F.lit("channel"), F.lit("web"), F.lit("campaign"), F.lit("")),
        "version": number % 10,
    }


def _money(cents: Column) -> Column:
    return (cents / 100).cast("decimal(12,2)")
