"""The samples in README and docs are what the code accepts and writes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import json_util

from tandem.engine.declare.control_record import control_value
from tandem.pipeline import Stream
from tandem.pipelines.orders_payments.oracle import expect
from tandem.pipelines.orders_payments.streams import FACTS, ORDERS, PAYMENTS, STREAMS, UNMATCHED
from tandem.settings.load import load
from tandem.verify.reference import Accepted, Validator
from tests import ROOT
from tests.readme import README, blocks_of

DOCS = ROOT / "docs"
FLOW = DOCS / "concepts" / "flow.md"
RECEIVED_MS = 1_800_000_000_000


def samples() -> list[dict[str, Any]]:
    """Returns the order, the payment, the fact, the unmatched document and the control record of the page."""
    return [json.loads(block) for block in blocks_of(FLOW, "json")]


def documents_of(records: Iterable[tuple[Stream, dict[str, Any]]], watermark_ms: int) -> Any:
    """Returns the documents that records imply, by collection and ``_id``, as the page writes them."""
    accepted: dict[str, dict[str, Any]] = {stream.name: {} for stream in STREAMS}
    for stream, record in records:
        outcome = Validator(stream, max_clock_skew_seconds=300)(None, json.dumps(record).encode(), RECEIVED_MS)
        assert isinstance(outcome, Accepted)
        accepted[stream.name][record[str(stream.identity)]] = outcome.fields
    observed: dict[str, set[str]] = {FACTS.name: set(), UNMATCHED.name: set()}
    expected = expect(accepted, watermark_ms=watermark_ms, late=set(), observed=observed, match_window_seconds=1800)
    options = json_util.JSONOptions(datetime_representation=json_util.DatetimeRepresentation.ISO8601)
    return json.loads(json_util.dumps(expected.documents, json_options=options))


def test_the_documented_fact_follows_from_the_documented_records() -> None:
    order, payment, fact, *_ = samples()
    assert documents_of([(ORDERS, order), (PAYMENTS, payment)], 0)[FACTS.name] == {"o-1|p-1": fact}


def test_the_documented_unmatched_document_follows_from_its_order() -> None:
    *_, unmatched, _ = samples()
    order = {name: unmatched[name] for name in ORDERS.fields}
    order |= {name: order[name]["$date"] for name in ("order_date", "created_at")}
    assert documents_of([(ORDERS, order)], RECEIVED_MS)[UNMATCHED.name] == {"order|o-2": unmatched}


def test_the_documented_control_record_is_one_of_the_job() -> None:
    control, at = samples()[-1], datetime(2026, 11, 29, 12, 20, tzinfo=UTC)
    assert json.loads(control_value(load("embedded").sender, at)) == control


def test_the_readme_shows_the_same_records_and_the_same_fact() -> None:
    decoder, text, found = json.JSONDecoder(), "".join(blocks_of(README, "json")).strip(), []
    while text:
        record, end = decoder.raw_decode(text)
        found.append(record)
        text = text[end:].strip()
    assert found == samples()[:3]


def test_the_readme_shows_the_pipeline_of_the_guide() -> None:
    (block,) = blocks_of(README, "python")
    assert block == blocks_of(DOCS / "guides" / "small.md", "python")[0]


@pytest.mark.parametrize("name", ["flow", "timeline"])
def test_a_picture_differs_only_in_colours_where_it_is_dark(name: str) -> None:
    def drawn(file: str) -> str:
        text = (DOCS / "images" / file).read_text("utf-8")
        return re.sub(r"<style>.*?</style>", "", text, flags=re.DOTALL)

    assert drawn(f"{name}.svg") == drawn(f"{name}-dark.svg")
