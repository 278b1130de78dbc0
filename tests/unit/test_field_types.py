"""A field type that a module does not know is an error there, and not a string. The type check finds it earlier."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import cast
from unittest.mock import patch

import pytest

from tandem.engine.declare.field_type import FieldType
from tandem.pipelines.orders_payments import generator
from tandem.pipelines.orders_payments.streams import ORDERS
from tandem.producer.plan import Plan
from tandem.producer.values import values_of
from tandem.scaffold.avro import schema_of
from tandem.verify.avro_reference import AvroRecords
from tandem.verify.reference import Validator
from tests.avro import SALES

UNKNOWN = cast(FieldType, "decimal")
STREAM = replace(ORDERS, fields={**ORDERS.fields, "amount": UNKNOWN})


def in_avro() -> None:
    assert SALES.format is not None
    # As a stream it would be refused before.
    stream = replace(SALES, format=None, fields={**SALES.fields, "amount": UNKNOWN})
    AvroRecords(stream, SALES.format)


def generated() -> None:
    with patch.object(generator, "ORDERS", STREAM):
        next(generator.orders(Plan(seed=1, count=1, start=datetime(2026, 11, 22, tzinfo=UTC))))


@pytest.mark.parametrize(
    "look",
    [
        lambda: Validator(STREAM, max_clock_skew_seconds=1),
        in_avro,
        lambda: values_of(STREAM),
        lambda: schema_of(STREAM, "n"),
        generated,
    ],
    ids=["verify", "verify avro", "producer", "scaffold", "generator"],
)
def test_an_unknown_type_is_refused(look: Callable[[], object]) -> None:
    with pytest.raises(AssertionError, match="decimal"):
        look()
