"""Latency: from a record's sending to its fact in a change stream."""

from __future__ import annotations

from tandem.settings.model import Settings
from tandem_bench import programs
from tandem_bench.bulk_load import ends_of, own_topics
from tandem_bench.correctness import Judgement, account, expected
from tandem_bench.load_generator import LoadGenerator, Watch, quantiles
from tandem_bench.parts import contestants
from tandem_bench.parts.steady import LEAST_WARM_S, RATE
from tandem_bench.reports import Reports, batch_times
from tandem_bench.result import Figure, Part, Row, RowKind
from tandem_bench.run_config import RunConfig
from tandem_bench.testbed import new_testbed, running_job

_VERIFY_S = 60.0


def measure(config: RunConfig) -> Part:
    """Returns the latencies of the job and of the tutorials' design.

    It also returns the phases of a batch.
    """
    warm_s, seconds = (LEAST_WARM_S, 15.0) if config.quick else (40.0, 60.0)
    ours: list[tuple[float, float]] = []
    theirs: list[tuple[float, float]] = []
    batches: list[dict[str, float]] = []
    remark, judgement = "", Judgement()
    for number in range(config.rounds):
        config.say(f"latency, round {number + 1} of {config.rounds}")
        turns = [True] if config.quick else [True, False] if number % 2 == 0 else [False, True]
        for is_ours in turns:
            if is_ours:
                both, batch, remark = _of_the_job(config.settings, warm_s, seconds)
                ours.append(both)
                batches.append(batch)
            else:
                both, judgement = _of_the_tutorial(config.settings, warm_s, seconds)
                theirs.append(both)
    p50, p99 = zip(*ours, strict=True)
    rows = [
        Row("Tandem, median", "s", Figure(p50), remark=remark),
        Row("Tandem, 99th percentile", "s", Figure(p99)),
        *(Row(f"Tandem, {name}", "ms", Figure(tuple(each[name] for each in batches))) for name in batches[0]),
    ]
    if theirs:
        p50, p99 = zip(*theirs, strict=True)
        rows += [
            Row(
                "the tutorials' design, median", "s", Figure(p50), RowKind.PEER, f"{judgement}; of the facts that came"
            ),
            Row("the tutorials' design, 99th percentile", "s", Figure(p99), RowKind.PEER),
        ]
    settings = {"records/s": int(RATE), "seconds": int(seconds), "rounds": config.rounds}
    return Part("latency", "From the producer to MongoDB's change stream", rows, settings)


def _of_the_job(settings: Settings, warm_s: float, seconds: float) -> tuple[tuple[float, float], dict[str, float], str]:
    with running_job(settings), Reports(settings) as reports:
        with Watch(settings.mongo) as watch, LoadGenerator(settings.kafka, RATE) as generator:
            since, until = generator.run_for(warm_s, seconds)
            seen = watch.seen(generator)
        batches = batch_times(reports.batches(since, until))
        return quantiles(seen, since, until), batches, account(settings, deadline_s=_VERIFY_S)


def _of_the_tutorial(settings: Settings, warm_s: float, seconds: float) -> tuple[tuple[float, float], Judgement]:
    with new_testbed(settings) as testbed, testbed.database("bench_tutorial") as mongo:
        topics = own_topics()
        begins = ends_of(settings.kafka, topics)
        arguments = ("follow", *contestants.tutorial_arguments(testbed, topics), "--databases", mongo.database)
        with programs.running_on_spark("peers/tutorial", arguments, testbed, contestants.pandas(testbed)) as program:
            program.answer()
            with Watch(mongo) as watch, LoadGenerator(settings.kafka, RATE) as generator:
                since, until = generator.run_for(warm_s, seconds)
                seen = watch.seen(generator)
            ends = ends_of(settings.kafka, topics)
            return quantiles(seen, since, until), contestants.judged(mongo, expected(settings, topics, ends, begins))
