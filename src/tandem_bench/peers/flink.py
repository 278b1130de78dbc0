"""The join as Flink's interval join in SQL.

Flink has no connector for MongoDB, so its sink drops everything.

The first round, with a cold Java, writes files instead, from which its facts are checked. Prints one JSON object: the
seconds of each round, from the submission of the query to its end.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

from pyflink.table import EnvironmentSettings, TableEnvironment

_SETTINGS = {
    "parallelism.default": "2",
    "state.backend.type": "hashmap",
    "execution.checkpointing.interval": "5 s",
    "table.local-time-zone": "UTC",
}
# An unreadable time becomes 1970, which has no partner, because Flink ends a query if an event time is null. So does a
# time after the record's creation: it would advance the watermark, and Flink would drop all later records. Such times
# exist: the far future, and Flink's result for the 30th of February.
_SOURCE = """
CREATE TABLE {name} (
  {fields},
  event_at AS CASE WHEN {time} <= created_at + INTERVAL '5' MINUTE THEN {time} ELSE TO_TIMESTAMP_LTZ(0, 3) END,
  WATERMARK FOR event_at AS event_at - INTERVAL '5' MINUTE
) WITH (
  'connector' = 'kafka',
  'topic' = '{topic}',
  'properties.bootstrap.servers' = '{bootstrap}',
  'scan.startup.mode' = 'earliest-offset',
  'scan.bounded.mode' = 'specific-offsets',
  'scan.bounded.specific-offsets' = '{ends}',
  'format' = 'json',
  'json.ignore-parse-errors' = 'true',
  'json.timestamp-format.standard' = 'ISO-8601'
)
"""
_ORDERS = "order_id STRING, order_date TIMESTAMP_LTZ(3), created_at TIMESTAMP_LTZ(3), customer_id STRING, amount BIGINT"
_PAYMENTS = (
    "payment_id STRING, order_id STRING, payment_date TIMESTAMP_LTZ(3), created_at TIMESTAMP_LTZ(3), amount BIGINT"
)
_SINK = """
CREATE TABLE {name} (
  order_id STRING, order_date TIMESTAMP_LTZ(3), created_at TIMESTAMP_LTZ(3), customer_id STRING, order_amount BIGINT,
  payment_id STRING, payment_date TIMESTAMP_LTZ(3), payment_amount BIGINT
) WITH ({connector})
"""
_JOIN = """
INSERT INTO {name}
SELECT o.order_id, o.order_date, o.created_at, o.customer_id, o.amount, p.payment_id, p.payment_date, p.amount
FROM orders AS o JOIN payments AS p
  ON o.order_id = p.order_id
  AND p.event_at BETWEEN o.event_at - INTERVAL '30' MINUTE AND o.event_at + INTERVAL '30' MINUTE
"""


def main() -> None:
    """Runs the command line."""
    arguments = argparse.ArgumentParser(description=__doc__)
    for name in ("--bootstrap", "--orders", "--payments", "--ends", "--checkpoints", "--facts"):
        arguments.add_argument(name, required=True)
    arguments.add_argument("--jars", nargs="+", required=True)
    arguments.add_argument("--rounds", type=int, required=True)
    options = arguments.parse_args()
    tables = environment(options)
    seconds = []
    for number in range(options.rounds):
        began = time.perf_counter()
        tables.execute_sql(_JOIN.format(name="dropped" if number else "kept")).wait()
        seconds.append(time.perf_counter() - began)
    sys.stdout.write(json.dumps({"seconds": seconds}) + "\n")


def environment(options: argparse.Namespace) -> Any:
    """Returns the environment with both sources and both sinks."""
    tables = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    own = {
        "pipeline.jars": ";".join(f"file://{jar}" for jar in options.jars),
        "execution.checkpointing.dir": options.checkpoints,
    }
    for key, value in {**_SETTINGS, **own}.items():
        tables.get_config().set(key, value)
    ends = json.loads(options.ends)
    for name, topic, fields, event_time in (
        ("orders", options.orders, _ORDERS, "order_date"),
        ("payments", options.payments, _PAYMENTS, "payment_date"),
    ):
        places = ";".join(f"partition:{number},offset:{end}" for number, end in ends[topic].items())
        tables.execute_sql(
            _SOURCE.format(
                name=name, fields=fields, time=event_time, topic=topic, bootstrap=options.bootstrap, ends=places
            )
        )
    tables.execute_sql(_SINK.format(name="dropped", connector="'connector' = 'blackhole'"))
    kept = f"'connector' = 'filesystem', 'path' = '{options.facts}', 'format' = 'json'"
    tables.execute_sql(_SINK.format(name="kept", connector=kept))
    return tables


if __name__ == "__main__":
    main()
