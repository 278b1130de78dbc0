"""The generator: reproducible, in agreement between the streams, and true to the mix it was asked for."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal
from functools import cache
from itertools import islice
from typing import Any

import pytest

from tandem.engine.declare.kind import TIMESTAMP_PATTERN
from tandem.errors import UsageError
from tandem.pipeline import FieldType, RecordPart, Stream
from tandem.pipelines.orders_payments import generator
from tandem.pipelines.orders_payments.streams import ORDERS, PAYMENTS
from tandem.producer.api import arguments
from tandem.producer.json_encoding import iso
from tandem.producer.ledger import Record
from tandem.producer.main import parser_of, plan_of
from tandem.producer.odd_records import kinds_of
from tandem.producer.record_encoder import encoder_of
from tandem.producer.record_plan import LATE_AFTER, Mix, Plan
from tandem.producer.sample import Event, Moment, sample
from tandem.verify.reference import Accepted, Dead, Validator

START = datetime(2026, 11, 22, 10, tzinfo=UTC)
PLAN = Plan(seed=7, count=10_000, start=START)


def orders(plan: Plan) -> Iterator[Record]:
    return sample(plan, ORDERS, generator.events)


def payments(plan: Plan) -> Iterator[Record]:
    return sample(plan, PAYMENTS, generator.events)


BOTH = [(orders, ORDERS), (payments, PAYMENTS)]


@cache
def sent(generate: Callable[[Plan], Iterator[Record]], plan: Plan = PLAN) -> tuple[Record, ...]:
    return tuple(generate(plan))


def accepted(value: bytes | None, stream: Stream) -> dict[str, Any] | None:
    """Returns the fields when the contract accepts the value; written again, apart from the engine."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError("duplicate key")
        return dict(pairs)

    def refuse(name: str) -> None:
        raise ValueError(name)

    try:
        fields = json.loads((value or b"").decode(), object_pairs_hook=unique, parse_constant=refuse)
        json.dumps(fields, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, dict) or fields.get("extra"):
        return None
    for name, kind in stream.fields.items():
        each = fields.get(name)
        if kind == FieldType.INTEGER:
            good = type(each) is int and -(2**63) <= each < 2**63
        elif kind == FieldType.STRING:
            good = isinstance(each, str) and each != ""
        else:
            good = isinstance(each, str) and re.fullmatch(TIMESTAMP_PATTERN, each) is not None and _is_real(each)
        if not good:
            return None
    return fields if _time(fields[stream.event_time]) < datetime(2900, 1, 1, tzinfo=UTC) else None


def _is_real(text: str) -> bool:
    try:
        _time(text)
    except ValueError:
        return False
    return True


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def events(records: Iterable[Record], stream: Stream) -> dict[str, tuple[str, dict[str, Any]]]:
    """Returns class and fields by identity, repeats left out."""
    found = {}
    for record in records:
        if record.kind != "repeat" and not record.kind.startswith("malformed"):
            fields = accepted(record.value, stream)
            assert fields is not None, record
            assert record.id == fields[stream.identity] not in found
            found[record.id] = (record.kind, fields)
    return found


@pytest.mark.parametrize(("generate", "stream"), BOTH)
def test_same_plan_same_bytes(generate: Any, stream: Stream) -> None:
    assert tuple(generate(PLAN)) == sent(generate)
    assert {each.topic for each in sent(generate)} == {stream.topic}


@pytest.mark.parametrize(
    "other",
    [
        replace(PLAN, seed=8),
        replace(PLAN, count=9_999),
        replace(PLAN, start=START + timedelta(milliseconds=1)),
        replace(PLAN, span=timedelta(hours=3)),
        replace(PLAN, mix=Mix(early=0.1)),
    ],
)
def test_another_plan_never_sends_an_id_with_other_content(other: Plan) -> None:
    ids = {each.id for each in sent(orders)} | {each.id for each in sent(payments)}
    assert not ids & {each.id for each in (*islice(orders(other), 500), *islice(payments(other), 500))}
    assert all("7-" + str(PLAN.start_ms) in each for each in ids)


@pytest.mark.parametrize(("generate", "stream"), BOTH)
def test_events_are_accepted_and_malformed_records_are_not(generate: Any, stream: Stream) -> None:
    plan = replace(PLAN, count=5_000, mix=Mix(malformed=0.5))
    events(sent(generate, plan), stream)
    spoiled = [each for each in sent(generate, plan) if each.kind.startswith("malformed")]
    assert {each.kind for each in spoiled} == {f"malformed:{kind}" for kind in (*kinds_of(stream), "huge")}
    for each in spoiled:
        assert accepted(each.value, stream) is None, each
        assert each.key is not None or each.value is not None


def test_the_mix_is_what_was_asked_for() -> None:
    kinds = Counter(each.kind.partition(":")[0] for each in sent(orders))
    paid = Counter(each.kind.partition(":")[0] for each in sent(payments))
    for expected, number in [
        (0.1, kinds["repeat"]),
        (0.1, paid["repeat"]),
        (0.2, paid["early"]),
        (0.05, kinds["unmatched"]),
        (0.05, paid["unmatched"]),
        (0.02, kinds["malformed"]),
        (0.02, paid["malformed"]),
        (0.01, kinds["late"] + paid["late"]),
    ]:
        assert number / 10_000 == pytest.approx(expected, rel=0.25)


def test_nothing_unasked_comes_with_an_empty_mix() -> None:
    plan = replace(PLAN, count=1000, mix=Mix(0, 0, 0, 0, 0))
    assert {each.kind for each in (*orders(plan), *payments(plan))} == {"valid"}


def test_both_streams_agree() -> None:
    ordered, paid = events(sent(orders), ORDERS), events(sent(payments), PAYMENTS)
    matched = set()
    several = 0
    window = timedelta(minutes=30)
    for kind, payment in paid.values():
        _, order = ordered.get(payment["order_id"], (None, None))
        apart = order and _time(payment["payment_date"]) - _time(order["order_date"])
        if kind == "unmatched":
            assert apart is None or abs(apart) > window
            continue
        assert order is not None
        assert apart is not None
        assert abs(apart) <= window
        assert payment["amount"] == order["amount"]
        assert (apart < timedelta(0)) == (kind == "early")
        several += payment["order_id"] in matched
        matched.add(payment["order_id"])
    assert several > 0
    assert matched == {each for each, (kind, _) in ordered.items() if kind != "unmatched"}


@pytest.mark.parametrize(("generate", "stream"), BOTH)
def test_events_arrive_in_order_but_for_the_late_ones(generate: Any, stream: Stream) -> None:
    latest = START - timedelta(days=1)
    late = 0
    for record in sent(generate):
        if record.kind in ("repeat",) or record.kind.startswith("malformed"):
            continue
        time = _time(json.loads(record.value)[stream.event_time])
        if record.kind == "late":
            late += 1
            assert latest - time > timedelta(minutes=60)
        else:
            assert time >= latest - timedelta(milliseconds=1)
            latest = time
    assert late > 0


@pytest.mark.parametrize("generate", [orders, payments])
def test_repeats_have_the_same_bytes_and_come_later(generate: Any) -> None:
    seen: dict[str, tuple[bytes | None, bytes | None]] = {}
    distances = []
    for number, record in enumerate(sent(generate)):
        if record.kind == "repeat":
            assert seen[record.id] == (record.key, record.value)
            distances.append(number)
        seen.setdefault(record.id, (record.key, record.value))
    assert distances


def test_all_windows_of_a_settled_plan_can_be_closed() -> None:
    plan = Plan(seed=1, count=5000, start=Plan.settled_start())
    closed = datetime.now(UTC) - timedelta(minutes=36)
    times = [_time(each["order_date"]) for _, each in events(orders(plan), ORDERS).values()]
    times += [_time(each["payment_date"]) for _, each in events(payments(plan), PAYMENTS).values()]
    assert max(times) < closed


def test_real_time_events_happen_when_they_are_due() -> None:
    plan = Plan(seed=1, count=None, start=START, rate=20, mix=Mix(late=0))
    for record in islice(orders(plan), 2000):
        if record.kind in ("valid", "unmatched"):
            happened = _time(json.loads(record.value or b"")["order_date"])
            assert record.due == pytest.approx(happened.timestamp(), abs=0.002)
            assert happened >= START - timedelta(milliseconds=50)


def test_producers_that_start_apart_in_real_time_agree() -> None:
    plan = Plan(seed=1, count=2000, start=START, rate=20, mix=Mix(repeats=0, late=0))
    later = replace(plan, start=START + timedelta(seconds=30))
    first = {each.id: each.value for each in orders(plan)}
    second = {each.id: each.value for each in orders(later)}
    common = first.keys() & second.keys()
    assert len(common) > 1000
    assert all(first[each] == second[each] for each in common)


@pytest.mark.parametrize("text", ["late=2", "late=-0.1", "nonsense=0.1", "late=x", "early=0.9,unmatched=0.2"])
def test_a_wrong_mix_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError):
        Mix.parse(text, Mix())


def test_a_mix_keeps_what_is_not_named() -> None:
    assert Mix.parse(" repeats=0.2, late=0 ", Mix()) == Mix(repeats=0.2, late=0)


@pytest.mark.parametrize(
    "change",
    [{"count": None}, {"count": 0}, {"rate": -1.0}, {"span": LATE_AFTER}, {"span": timedelta(0), "mix": Mix(late=0)}],
)
def test_a_plan_that_does_not_fit_together_is_a_usage_error(change: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        replace(PLAN, **change)


@pytest.mark.parametrize("event_time", ["real", "compressed"])
@pytest.mark.parametrize("rate", ["0", "-5"])
def test_a_rate_that_is_none_is_a_usage_error(event_time: str, rate: str) -> None:
    with pytest.raises(UsageError, match="rate is not positive"):
        plan_of(parser_of("orders").parse_args(["--count=1", f"--event-time={event_time}", f"--rate={rate}"]))


@pytest.mark.parametrize("plan", [PLAN, Plan(3, None, START, Mix(early=0.1), rate=2.5)])
def test_a_plan_survives_its_command_line(plan: Plan) -> None:
    assert plan_of(parser_of("orders").parse_args(arguments(plan, "embedded", None))) == plan


def test_an_event_that_is_dated_too_early_is_refused() -> None:
    def early(moment: Moment) -> Iterator[Event]:
        for event in generator.events(moment):
            yield event._replace(fields={**event.fields, event.stream.event_time: moment.time_ms - 26 * 60_000})

    with pytest.raises(ValueError, match=r"an event of orders in a moment of kind .* is dated too early"):
        list(sample(PLAN, ORDERS, early))


def test_iso() -> None:
    assert iso(0) == "1970-01-01T00:00:00.000Z"
    assert iso(PLAN.start_ms + 61_002) == "2026-11-22T10:01:01.002Z"


RICH = Stream(
    name="rich",
    topic="rich_v1",
    fields={
        "after": FieldType.record(
            {"number": FieldType.INTEGER_32, "shop": FieldType.STRING, "at": FieldType.EPOCH_MICROSECONDS}
        ),
        "price": FieldType.decimal(34, 4),
        "tax": FieldType.decimal_bytes(34, 4),
        "day": FieldType.DATE,
        "raw": FieldType.BYTES,
        "coupon": FieldType.STRING.optional(),
        "items": FieldType.array(FieldType.record({"price": FieldType.decimal(5, 2), "sold_at": FieldType.TIMESTAMP})),
        "prices": FieldType.map(FieldType.decimal(5, 2)).default({}),
        "days": FieldType.array(FieldType.DATE),
    },
    event_time="after.at",
    identity=("after.shop", "after.number"),
)
CHANGED = Stream(
    "changed",
    "changed_v1",
    {"n": FieldType.INTEGER},
    event_time=RecordPart.TIMESTAMP,
    identity=(RecordPart.KEY, "n"),
    ignores_tombstones=True,
)
KEYED = Stream("keyed", "keyed_v1", {"n": FieldType.INTEGER}, event_time=RecordPart.TIMESTAMP, identity=RecordPart.KEY)


def rich(moment: Moment) -> Iterator[Event]:
    chance = moment.chance
    fields = {
        "after": {"number": chance.randrange(1000), "shop": f"s-{moment.id}", "at": moment.time_ms},
        "price": Decimal(chance.randrange(10**15) * 10**19 + 1).scaleb(-4, context=Context(prec=34)),
        "tax": Decimal(chance.choice((0, -1, 127, 128, -128, -129, 10**34 - 1, 1 - 10**34))).scaleb(
            -4, context=Context(prec=34)
        ),
        "day": date(2026, 11, 22),
        "raw": b"\xff\x00",
        "coupon": chance.choice([None, "x"]),
        "items": [{"price": Decimal("1.50"), "sold_at": moment.time_ms}] * chance.randrange(3),
        "prices": {"a.b": Decimal("0.10")},
        "days": [date(1, 1, 1)],
    }
    yield Event(RICH, fields)
    yield Event(KEYED, {"n": 5}, key=f"k-{moment.id}")
    yield Event(CHANGED, {"n": 5}, key=f"k|{moment.id}")


@pytest.mark.parametrize("stream", [RICH, KEYED, CHANGED], ids=["rich", "keyed", "changed"])
def test_records_of_any_type_are_what_they_are_meant_to_be(stream: Stream) -> None:
    validate = Validator(stream, max_clock_skew_seconds=300)
    plan = Plan(seed=3, count=4_000, start=START, mix=Mix(malformed=0.3))
    seen: dict[str, int] = {}
    for record in sample(plan, stream, rich):
        found = validate(record.key, record.value, PLAN.start_ms + 100 * 3_600_000)
        if record.kind.startswith("malformed:"):
            assert isinstance(found, Dead), record
            seen[record.kind] = seen.get(record.kind, 0) + 1
        else:
            assert isinstance(found, Accepted), (record, found)
            assert found.fields["identity"] == record.id
    # All that apply to such records are among them.
    assert {kind.removeprefix("malformed:") for kind in seen} | {"huge"} >= {*kinds_of(stream)}
    assert ("malformed:wrong_nested" in seen, "malformed:null_amount" in seen) == (stream is RICH, True)


def test_an_unusual_record_has_the_events_own_content() -> None:
    """What is added to it is never a field that the stream declares."""
    fields = {
        "id": FieldType.STRING,
        "at": FieldType.TIMESTAMP,
        "channel": FieldType.STRING,
        "tags": FieldType.array(FieldType.STRING).optional(),
    }
    stream = Stream("s", "s", fields, event_time="at", identity="id")
    values, event = encoder_of(stream), {"id": "a", "at": PLAN.start_ms, "channel": "shop", "tags": None}
    unusual = [json.loads(values.unusual(event, choice / 10)) for choice in range(10)]
    assert {(each["channel"], "tags" in each) for each in unusual} == {("shop", False)}
    assert any(each.keys() > {"id", "at", "channel"} for each in unusual)


DEFAULTED = Stream(
    "defaulted",
    "defaulted_v1",
    {
        "shop": FieldType.STRING.default("main"),
        "number": FieldType.INTEGER,
        "inner": FieldType.record({"day": FieldType.DATE.default(date(2026, 11, 22))}),
        "at": FieldType.TIMESTAMP.default(START + timedelta(days=1, microseconds=1500)),
    },
    event_time="at",
    identity=("shop", "number", "inner.day"),
)


@pytest.mark.parametrize("absent", [{}, {"shop": None, "at": None, "inner": {"day": None}}])
def test_an_event_may_leave_out_what_has_a_default(absent: dict[str, Any]) -> None:
    def events(moment: Moment) -> Iterator[Event]:
        yield Event(DEFAULTED, {"inner": {}, "number": int(moment.id.rpartition("-")[2]), **absent})

    plan = Plan(seed=3, count=400, start=START, mix=Mix(malformed=0.3))
    validate = Validator(DEFAULTED, max_clock_skew_seconds=300)
    for record in sample(plan, DEFAULTED, events):
        found = validate(record.key, record.value, plan.start_ms + 2 * 86_400_000)
        if record.kind.startswith("malformed:"):
            assert isinstance(found, Dead), record
        else:
            assert isinstance(found, Accepted), (record, found)
            assert found.fields["identity"] == record.id


def test_a_sample_needs_an_identity() -> None:
    with pytest.raises(ValueError, match=r"an event of defaulted has no number"):
        list(sample(PLAN, DEFAULTED, lambda _: [Event(DEFAULTED, {"inner": {}})]))
    with pytest.raises(ValueError, match="an event of keyed needs a key"):
        list(sample(PLAN, KEYED, lambda _: [Event(KEYED, {"n": 5})]))


@pytest.mark.parametrize("rate", [None, 20.0])
def test_the_numbers_of_moments_are_consecutive_and_differ_between_plans(rate: float | None) -> None:
    found = []
    for seed in (1, 2):
        numbers: list[int] = []

        def events(moment: Moment, numbers: list[int] = numbers) -> Iterator[Event]:
            numbers.append(moment.number)
            yield Event(KEYED, {"n": 5}, key=f"k-{moment.id}")

        plan = Plan(seed=seed, count=1000, start=Plan.settled_start(), rate=rate)
        list(sample(plan, KEYED, events))
        assert sorted(numbers) == list(range(min(numbers), min(numbers) + 1000))
        found.append(set(numbers))
    assert found[0].isdisjoint(found[1])
