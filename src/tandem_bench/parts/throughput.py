"""Throughput: how fast records that wait are drained into MongoDB, beside limits and peers that drain the same ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from bson.raw_bson import RawBSONDocument

from tandem.pipelines.orders_payments.streams import DEAD_LETTER_TOPIC, STREAMS
from tandem.platforms.provision import create_topics
from tandem_bench.arithmetic import Figure
from tandem_bench.bench import Bench
from tandem_bench.load import count, load, own_topics
from tandem_bench.parts import contestants, drains
from tandem_bench.reports import Ends
from tandem_bench.result import Kind, Part, Row
from tandem_bench.stage import Stage, staged
from tandem_bench.truth import Pair, account, expected

_VERIFY_S = 120.0
_REPEATS = 0.2
# The tutorials' design is slower by so much that it gets only a part of the records.
_TUTORIAL_PART = 10
_FIRST, _SECOND, _REPEATED = range(3)
_PER_S = "records/s"
# In the order of the table.
_ROWS: Mapping[str, tuple[str, Kind]] = {
    "warm": ("Tandem, warm Java", Kind.OURS),
    "cold": ("Tandem, cold Java", Kind.OURS),
    "closed": ("Tandem, warm, until windows are closed", Kind.OURS),
    "repeats": ("Tandem, warm, 20 % repeats", Kind.OURS),
    "python": ("plain Python, no durable state", Kind.PEER),
    "flink": ("Flink's interval join, no database", Kind.PEER),
    "tutorial": ("the tutorials' design", Kind.PEER),
    "batch": ("the same transform as a batch", Kind.LIMIT),
    "parse": ("Kafka and parsing alone", Kind.LIMIT),
    "read": ("Kafka alone", Kind.LIMIT),
    "insert": ("MongoDB's inserts alone", Kind.LIMIT),
}


@dataclass
class _Round:
    """What one round has found: records a second by the names of ``_ROWS``."""

    rates: dict[str, float] = field(default_factory=dict)
    remarks: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Waiting:
    """What waits in the topics at the beginning of a round, and the facts that it implies."""

    ends: Ends
    facts: Mapping[Pair, RawBSONDocument]
    few: Mapping[Pair, RawBSONDocument]
    few_ends: Ends


def measure(bench: Bench) -> Part:
    """Returns records per second of the job, the peers and the limits."""
    rounds: list[_Round] = []
    facts: Mapping[Pair, RawBSONDocument] = {}
    few: Mapping[Pair, RawBSONDocument] = {}
    with staged(drains.patient(bench.settings)) as stage:
        contestants.prepare(stage)
        for number in range(bench.rounds):
            bench.say(f"throughput, round {number + 1} of {bench.rounds}")
            if number:
                stage.fresh()
            waiting = _fill(bench, stage, facts, few)
            facts, few = waiting.facts, waiting.few
            last = number == bench.rounds - 1
            rounds.append(_round(bench, stage, waiting, ours_first=number % 2 == 0, verified=last))
    return Part("throughput", "Records that wait are drained into MongoDB", _rows(rounds), _settings(bench))


def _round(bench: Bench, stage: Stage, waiting: _Waiting, *, ours_first: bool, verified: bool) -> _Round:
    result = _Round()
    if ours_first:
        _ours(bench, stage, waiting.ends, result, verified=verified)
    _limits(stage, waiting, result)
    _peers(stage, waiting, result)
    if not ours_first:
        _ours(bench, stage, waiting.ends, result, verified=verified)
    return result


def _fill(
    bench: Bench, stage: Stage, facts: Mapping[Pair, RawBSONDocument], few: Mapping[Pair, RawBSONDocument]
) -> _Waiting:
    """Fills the topics. What the records imply is computed once: each round has the same."""
    kafka, beside = stage.settings.kafka, contestants.topics_beside()
    create_topics(kafka, [replace(stream, topic=beside[stream.name]) for stream in STREAMS], DEAD_LETTER_TOPIC)
    ends = load(kafka, bench.plan(_FIRST))
    few_ends = load(kafka, bench.plan(_FIRST, records=max(1, bench.records // _TUTORIAL_PART)), beside)
    return _Waiting(
        ends,
        facts or expected(stage.settings, own_topics(), ends),
        few or expected(stage.settings, beside, few_ends),
        few_ends,
    )


def _ours(bench: Bench, stage: Stage, ends: Ends, result: _Round, *, verified: bool) -> None:
    with stage.driver() as driver:
        first = drains.cold(driver, ends)
        second = drains.warm(stage, driver, bench.plan(_SECOND), first.ends)
        repeated = drains.warm(stage, driver, bench.plan(_REPEATED, repeats=_REPEATS), second.ends)
        if verified:
            result.remarks["warm"] = account(stage.settings, deadline_s=_VERIFY_S)
    result.rates |= {"cold": first.rate, "warm": second.rate, "closed": second.rate_closed, "repeats": repeated.rate}
    stage.drop(stage.settings.mongo.database)


def _peers(stage: Stage, waiting: _Waiting, result: _Round) -> None:
    python = contestants.plain_python(stage, waiting.ends, waiting.facts)
    flink = contestants.flink(stage, waiting.ends, waiting.facts)
    tutorial = contestants.tutorial(stage, waiting.few_ends, waiting.few)
    result.rates["python"] = count(waiting.ends) / python.seconds
    result.rates["flink"] = count(waiting.ends) / flink.seconds
    result.rates["tutorial"] = count(waiting.few_ends) / tutorial.seconds
    judged = {"python": python, "flink": flink, "tutorial": tutorial}
    result.remarks |= {name: str(each.judgement) for name, each in judged.items()}


def _limits(stage: Stage, waiting: _Waiting, result: _Round) -> None:
    records = count(waiting.ends)
    for name, seconds in contestants.spark_batches(stage, waiting.ends).items():
        result.rates[name] = records / seconds[-1]
    result.rates["insert"] = records / contestants.inserts(stage, waiting.facts).seconds


def _rows(rounds: list[_Round]) -> list[Row]:
    rates: dict[str, list[float]] = defaultdict(list)
    for each in rounds:
        for name, rate in each.rates.items():
            rates[name].append(rate)
    remarks = {name: remark for each in rounds for name, remark in each.remarks.items()}
    return [
        Row(title, _PER_S, Figure(tuple(rates[name])), kind, remarks.get(name, ""), compared=name != "warm")
        for name, (title, kind) in _ROWS.items()
    ]


def _settings(bench: Bench) -> dict[str, object]:
    return {
        "records": bench.records,
        "of them for the tutorials' design": bench.records // _TUTORIAL_PART,
        "partitions": bench.settings.kafka.partitions,
        "rounds": bench.rounds,
    }
