"""Public: generates sample records and computes expected documents, without Spark.

A pipeline's modules ``generator`` and ``oracle`` import it. It never runs in the job.
"""

from __future__ import annotations

from tandem.engine.declare.spark_type import columns
from tandem.producer.document_id import document_id
from tandem.producer.ledger import Record
from tandem.producer.odd_records import ODD_AMOUNTS, ODD_ENDINGS
from tandem.producer.record_plan import Mix, Plan
from tandem.producer.sample import Event, Moment, MomentKind, sample
from tandem.verify.interval import MATCHED, UNMATCHED, Fields, IntervalJoin, Side
from tandem.verify.oracle import Document, EventId, Expectation, Observed, Oracle
from tandem.verify.stored import date, day, stored

__all__ = [
    "MATCHED",
    "ODD_AMOUNTS",
    "ODD_ENDINGS",
    "UNMATCHED",
    "Document",
    "Event",
    "EventId",
    "Expectation",
    "Fields",
    "IntervalJoin",
    "Mix",
    "Moment",
    "MomentKind",
    "Observed",
    "Oracle",
    "Plan",
    "Record",
    "Side",
    "columns",
    "date",
    "day",
    "document_id",
    "sample",
    "stored",
]
