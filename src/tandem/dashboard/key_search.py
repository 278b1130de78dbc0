"""Looks up one key: its records in Kafka and its documents in MongoDB."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import date
from decimal import Decimal as Exact
from typing import Any

from bson.decimal128 import Decimal128
from pymongo.errors import PyMongoError

from tandem.dashboard.declaration import ShownPipeline
from tandem.dashboard.mongo import Documents, milliseconds
from tandem.dashboard.snapshot import shown
from tandem.dashboard.state import PipelineState, committed
from tandem.engine.declare.avro_schema import Avro
from tandem.engine.declare.field_name import find, value_at
from tandem.engine.declare.kind import DATE_PATTERN, MAX_PRECISION, Decimal, String
from tandem.engine.declare.protobuf_schema import Protobuf
from tandem.engine.declare.stream import Stream
from tandem.engine.declare.view import Shown
from tandem.errors import TandemError
from tandem.producer.document_id import text_of
from tandem.settings.model import Settings
from tandem.verify.reference import Accepted, Control, Dead, Ignored, Validator
from tandem.verify.stored import day
from tandem.verify.topics import TopicReader, TopicRecord

# A search reads topics backwards from their newest records, up to this number and time.
MAX_RECORDS = 200_000
DEADLINE_S = 10.0
_CHUNK = 20_000
_SHOWN = 100
_MAX_KEY = 10_000
_BOOLEAN, _DAY = re.compile("true|false"), re.compile(DATE_PATTERN)
_INTEGER, _NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,18})"), re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")


class SearchRunningError(Exception):
    """Another search is running."""


class KeySearch:
    """Looks keys up, one at a time: a search reads as fast as it can.

    Args:
        settings: the pipeline's settings.
        database: the pipeline's database.
        declaration: the pipeline's streams and view.
        state: the pipeline's current state.
    """

    def __init__(
        self, settings: Settings, database: Documents, declaration: ShownPipeline, state: PipelineState
    ) -> None:
        self._settings, self._database = settings, database
        self._declaration, self._state = declaration, state
        self._one = threading.Lock()

    def of(self, key: str) -> dict[str, Any]:
        """Returns the records and documents of a key, and a sentence that sums them up.

        Raises:
            SearchRunningError: another search runs.
        """
        if not self._one.acquire(timeout=DEADLINE_S):
            raise SearchRunningError
        try:
            return self._of(key[:_MAX_KEY])
        finally:
            self._one.release()

    def _of(self, key: str) -> dict[str, Any]:
        view, notes = self._declaration.view, []
        results: list[dict[str, Any]] = []
        leftovers: list[dict[str, Any]] = []
        try:
            results = [] if view.aggregates else self._documents(view.results.name, key)
            leftovers = self._documents(view.leftovers.name, key) if view.leftovers else []
        except PyMongoError as error:
            notes.append(f"MongoDB does not answer ({type(error).__name__}): the records' outcomes are unknown.")
        records: list[dict[str, Any]] = []
        deadline = time.monotonic() + DEADLINE_S
        for stream in self._declaration.streams:
            try:
                of_stream, complete = self._records(stream, key, deadline)
            except TandemError as error:
                notes.append(f"{error}: its records are not shown.")
                continue
            records += of_stream
            if not complete:
                notes.append(f"Of {stream.topic} only the newest records were searched; older ones are not shown.")
        return {
            "key": key,
            "verdict": self._verdict(results, leftovers, records, notes),
            "records": records[:_SHOWN],
            "results": [_shown(document) for document in results],
            "leftovers": [_shown(document) for document in leftovers],
            "notes": notes,
        }

    def _documents(self, collection: str, key: str) -> list[dict[str, Any]]:
        # A string is safe here: MongoDB looks for operators only in documents.
        wanted = {self._declaration.view.key: {"$in": stored_keys(key)}}
        return list(self._database[collection].find(wanted).limit(_SHOWN))

    def _records(self, stream: Stream, key: str, deadline: float) -> tuple[list[dict[str, Any]], bool]:
        """Returns a stream's records of a key, and whether the search was complete.

        The oldest record comes first.
        """
        validate = Validator(stream, max_clock_skew_seconds=self._settings.job.max_clock_skew_seconds)
        matching: list[dict[str, Any]] = []
        with TopicReader(self._settings.kafka, stream.topic) as reader:
            first, ends = reader.beginnings(), reader.ends()
            read = 0
            while any(ends[number] > first[number] for number in ends):
                if read >= MAX_RECORDS or time.monotonic() > deadline:
                    return self._with_outcomes(matching, stream), False
                start = {number: max(first[number], ends[number] - _CHUNK // len(ends)) for number in ends}
                read += sum(ends[number] - start[number] for number in ends)
                for record in about(reader.read(start, ends), key, self._declaration.view.key, stream, validate):
                    matching.append(_record(record, stream, validate))
                ends = start
        return self._with_outcomes(matching, stream), True

    def _with_outcomes(self, matching: list[dict[str, Any]], stream: Stream) -> list[dict[str, Any]]:
        """Returns the records in order, each with its outcome."""
        with self._state.lock:
            done = committed(self._state.progress, stream.topic)
        seen: set[str] = set()
        records = sorted(matching, key=lambda each: (each["at"], each["partition"], each["offset"]))
        for record in records:
            if record["offset"] >= done.get(record["partition"], 0):
                record["outcome"] = "not yet in a committed batch"
            elif record["outcome"] == "accepted":
                if record["identity"] in seen:
                    record["outcome"] = "a duplicate without effect"
                seen.add(record["identity"])
        return records

    def _verdict(
        self,
        results: list[dict[str, Any]],
        leftovers: list[dict[str, Any]],
        records: list[dict[str, Any]],
        notes: list[str],
    ) -> str:
        noun, title = self._declaration.view.noun, self._declaration.view.key_title.lower()
        if results:
            return f"Matched: {len(results)} of the {noun} have this {title}."
        if leftovers:
            return f"Unmatched: no match arrived in time; {len(leftovers)} unmatched documents have this {title}."
        if not records:
            return f"There are no records with this {title}." if not notes else "Nothing was found."
        outcomes = [record["outcome"] for record in records]
        if all(outcome.startswith("not yet") for outcome in outcomes):
            return "It was sent, but no committed batch of the job has it yet."
        if all(outcome.startswith("dead") for outcome in outcomes):
            return "It was rejected: see the reasons below, and the dead-letter topic."
        if self._declaration.view.aggregates:
            return f"It was read. Its window is written to the {noun} once the watermark has passed it."
        with self._state.lock:
            watermark = milliseconds((self._state.progress or {}).get("watermark"))
        times = [record["event_time"] for record in records if record["event_time"] is not None]
        if watermark and times and max(times) < watermark and (self._state.progress or {}).get("late_total"):
            return "It waits for a match, or it was late and dropped; `tandem reconcile` repairs late records."
        return "It was read and waits for a match; it is written as unmatched once the watermark has passed its time."


def stored_keys(key: str) -> list[Any]:
    """Returns the values of all types whose text is the key."""
    found: list[Any] = [key]
    if _BOOLEAN.fullmatch(key):
        found.append(key == "true")
    if _DAY.fullmatch(key):
        with suppress(ValueError):
            found.append(day(date.fromisoformat(key)))
    if _INTEGER.fullmatch(key) and -(2**63) <= int(key) < 2**63:
        found.append(int(key))
    if (number := _number(key)) is not None:
        found.append(Decimal128(number))
    return found


def about(
    records: Iterable[TopicRecord], key: str, field: str, stream: Stream, validate: Validator
) -> Iterator[TopicRecord]:
    """Yields the records of a stream that have a key.

    Args:
        records: records of the stream.
        key: the key as text.
        field: the stream's field, or its path, or the column of the identity.
        stream: the declaration.
        validate: the stream's validator.
    """
    raw, written, added = key.encode(errors="replace"), _is_written(stream, field), _is_added(stream, field)
    for record in records:
        value = record.value
        # JSON may escape any character, so missing bytes prove nothing if the value has an escape.
        if not value or (written and raw not in value and b"\\" not in value):
            continue
        found = [] if added else [validate.document(value)]
        if not written and isinstance(outcome := validate(record.key, value, record.timestamp), Accepted):
            found.append(outcome.fields)
        if any(fields is not None and _is(value_at(fields, field), key) for fields in found):
            yield record


def _is_added(stream: Stream, field: str) -> bool:
    """Returns whether a field is the added column of the identity."""
    return field == stream.identity_column and field not in stream.fields


def _is_written(stream: Stream, field: str) -> bool:
    """Returns whether a byte search finds a field's value in each record."""
    if _is_added(stream, field):
        return False
    _, kind = find(stream.fields, field, may_be_absent=True) or ((), None)
    if isinstance(kind, Decimal) or (kind is not None and kind.fallback is not None):
        return False
    return not isinstance(stream.format, Avro | Protobuf) or isinstance(kind, String)


def _is(value: Any, key: str) -> bool:
    if isinstance(value, Exact):
        return value == _number(key)
    return isinstance(value, str | int | date) and text_of(value) == key


def _number(key: str) -> Exact | None:
    """Returns the number that a key spells, if MongoDB can store it."""
    return Exact(key) if _NUMBER.fullmatch(key) and sum(map(str.isdigit, key)) <= MAX_PRECISION else None


def _shown(document: dict[str, Any]) -> dict[str, Any]:
    return {name: shown(value, Shown.TEXT) for name, value in document.items() if value is not None}


def _record(record: TopicRecord, stream: Stream, validate: Validator) -> dict[str, Any]:
    outcome = validate(record.key, record.value, record.timestamp)
    known: dict[str, Any] = {
        "stream": stream.name,
        "topic": stream.topic,
        "partition": record.partition,
        "offset": record.offset,
        "at": record.timestamp,
        "event_time": None,
        "identity": None,
    }
    match outcome:
        case Accepted(fields):
            identity = text_of(fields[stream.identity_column])
            known |= {"event_time": int(fields[stream.time_column]) // 1000, "identity": identity}
            return {**known, "outcome": "accepted"}
        case Dead(error, detail):
            return {**known, "outcome": f"dead: {error}{f' ({detail})' if detail else ''}"}
        case Control() | Ignored():  # never an ignored tombstone, which has no value
            return {**known, "outcome": "control"}
