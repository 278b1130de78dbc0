"""Throughput: the drain of a backlog into MongoDB, beside limits and peers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from bson.raw_bson import RawBSONDocument

from tandem.pipelines.orders_payments.streams import DEAD_LETTER_TOPIC, STREAMS
from tandem.platforms.provision import create_topics
from tandem_bench.bulk_load import count, load, own_topics
from tandem_bench.correctness import Pair, account, expected
from tandem_bench.parts import contestants, drains
from tandem_bench.reports import Ends
from tandem_bench.result import Figure, Part, Row, RowKind
from tandem_bench.run_config import RunConfig
from tandem_bench.testbed import Testbed, new_testbed

_VERIFY_S = 120.0
_REPEATS = 0.2
# The tutorials' design is slower by so much that it gets only a part of the records.
_TUTORIAL_PART = 10
_FIRST, _SECOND, _REPEATED = range(3)
_PER_S = "records/s"
# In the order of the table.
_ROWS: Mapping[str, tuple[str, RowKind]] = {
    "warm": ("Tandem, warm Java", RowKind.OURS),
    "cold": ("Tandem, cold Java", RowKind.OURS),
    "closed": ("Tandem, warm, until windows are closed", RowKind.OURS),
    "repeats": ("Tandem, warm, 20 % repeats", RowKind.OURS),
    "python": ("plain Python, no durable state", RowKind.PEER),
    "flink": ("Flink's interval join, no database", RowKind.PEER),
    "tutorial": ("the tutorials' design", RowKind.PEER),
    "batch": ("the same transform as a batch", RowKind.LIMIT),
    "parse": ("Kafka and parsing alone", RowKind.LIMIT),
    "read": ("Kafka alone", RowKind.LIMIT),
    "insert": ("MongoDB's inserts alone", RowKind.LIMIT),
}


@dataclass
class _Round:
    """The result of one round: records a second by the names of ``_ROWS``."""

    rates: dict[str, float] = field(default_factory=dict)
    remarks: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Waiting:
    """The backlog at the beginning of a round, and the facts that it implies."""

    ends: Ends
    facts: Mapping[Pair, RawBSONDocument]
    few: Mapping[Pair, RawBSONDocument]
    few_ends: Ends


def measure(config: RunConfig) -> Part:
    """Returns records per second of the job, the peers and the limits."""
    rounds: list[_Round] = []
    facts: Mapping[Pair, RawBSONDocument] = {}
    few: Mapping[Pair, RawBSONDocument] = {}
    with new_testbed(drains.patient(config.settings)) as testbed:
        contestants.prepare(testbed)
        for number in range(config.rounds):
            config.say(f"throughput, round {number + 1} of {config.rounds}")
            if number:
                testbed.fresh()
            waiting = _fill(config, testbed, facts, few)
            facts, few = waiting.facts, waiting.few
            last = number == config.rounds - 1
            rounds.append(_round(config, testbed, waiting, ours_first=number % 2 == 0, verified=last))
    return Part("throughput", "Records that wait are drained into MongoDB", _rows(rounds), _settings(config))


def _round(config: RunConfig, testbed: Testbed, waiting: _Waiting, *, ours_first: bool, verified: bool) -> _Round:
    result = _Round()
    if ours_first:
        _ours(config, testbed, waiting.ends, result, verified=verified)
    _limits(testbed, waiting, result)
    _peers(testbed, waiting, result)
    if not ours_first:
        _ours(config, testbed, waiting.ends, result, verified=verified)
    return result


def _fill(
    config: RunConfig, testbed: Testbed, facts: Mapping[Pair, RawBSONDocument], few: Mapping[Pair, RawBSONDocument]
) -> _Waiting:
    """Fills the topics.

    The expected facts are computed once, as each round has the same.
    """
    kafka, beside = testbed.settings.kafka, contestants.topics_beside()
    create_topics(kafka, [replace(stream, topic=beside[stream.name]) for stream in STREAMS], DEAD_LETTER_TOPIC)
    ends = load(kafka, config.plan(_FIRST))
    few_ends = load(kafka, config.plan(_FIRST, records=max(1, config.records // _TUTORIAL_PART)), beside)
    return _Waiting(
        ends,
        facts or expected(testbed.settings, own_topics(), ends),
        few or expected(testbed.settings, beside, few_ends),
        few_ends,
    )


def _ours(config: RunConfig, testbed: Testbed, ends: Ends, result: _Round, *, verified: bool) -> None:
    with testbed.driver() as driver:
        first = drains.cold(driver, ends)
        second = drains.warm(testbed.settings.kafka, driver, config.plan(_SECOND), first.ends)
        repeated = drains.warm(testbed.settings.kafka, driver, config.plan(_REPEATED, repeats=_REPEATS), second.ends)
        if verified:
            result.remarks["warm"] = account(testbed.settings, deadline_s=_VERIFY_S)
    result.rates |= {"cold": first.rate, "warm": second.rate, "closed": second.rate_closed, "repeats": repeated.rate}
    testbed.drop(testbed.settings.mongo.database)


def _peers(testbed: Testbed, waiting: _Waiting, result: _Round) -> None:
    python = contestants.plain_python(testbed, waiting.ends, waiting.facts)
    flink = contestants.flink(testbed, waiting.ends, waiting.facts)
    tutorial = contestants.tutorial(testbed, waiting.few_ends, waiting.few)
    result.rates["python"] = count(waiting.ends) / python.seconds
    result.rates["flink"] = count(waiting.ends) / flink.seconds
    result.rates["tutorial"] = count(waiting.few_ends) / tutorial.seconds
    judged = {"python": python, "flink": flink, "tutorial": tutorial}
    result.remarks |= {name: str(each.judgement) for name, each in judged.items()}


def _limits(testbed: Testbed, waiting: _Waiting, result: _Round) -> None:
    records = count(waiting.ends)
    for name, seconds in contestants.spark_batches(testbed, waiting.ends).items():
        result.rates[name] = records / seconds[-1]
    result.rates["insert"] = records / contestants.inserts(testbed, waiting.facts).seconds


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


def _settings(config: RunConfig) -> dict[str, object]:
    return {
        "records": config.records,
        "of them for the tutorials' design": config.records // _TUTORIAL_PART,
        "partitions": config.settings.kafka.partitions,
        "rounds": config.rounds,
    }
