"""A field type that a module does not know is an error there, and not a string. The type check finds it earlier."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import cast

import pytest

from tandem.pipeline import FieldType
from tandem.pipelines.orders_payments.streams import ORDERS
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


@pytest.mark.parametrize(
    "look",
    [
        lambda: Validator(STREAM, max_clock_skew_seconds=1),
        in_avro,
        lambda: values_of(STREAM),
        lambda: schema_of(STREAM, "n"),
    ],
    ids=["verify", "verify avro", "producer", "scaffold"],
)
def test_an_unknown_type_is_refused(look: Callable[[], object]) -> None:
    with pytest.raises(AssertionError, match="decimal"):
        look()
