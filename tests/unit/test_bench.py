"""The bench's arithmetic, what it makes of it, and how it judges. What it starts is tried in the integration layer."""

from __future__ import annotations

import io
import json
import os
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import psutil
import pytest
from rich.console import Console

from tandem.cli.bench import PART_NAMES
from tandem.errors import EnvironmentNotReadyError, TandemError, UsageError
from tandem.pipelines.orders_payments import oracle
from tandem.pipelines.orders_payments.streams import COLLECTIONS, FACTS, ORDERS, PAYMENTS, STREAMS
from tandem.verify.intake import Intake
from tandem.verify.topics import TopicRecord
from tandem_bench import full_state, run
from tandem_bench.bulk_load import count
from tandem_bench.consumption import Reading, family, reading_of, reading_of_container, reading_of_stats
from tandem_bench.correctness import Judgement, judge
from tandem_bench.load_generator import Seen, facts_seen, quantiles
from tandem_bench.parts.containers import image_figures
from tandem_bench.parts.growth import fitting, heap_gib
from tandem_bench.parts.nested import rows_of
from tandem_bench.parts.soak import quarters
from tandem_bench.parts.state_growth import with_windows
from tandem_bench.parts.steady import Steady
from tandem_bench.parts.sustained import committed_records, next_to_try
from tandem_bench.plain_load import moment
from tandem_bench.rate_search import is_flat, next_rate
from tandem_bench.render import number, table, write
from tandem_bench.reports import batch_milliseconds, covers
from tandem_bench.result import Figure, Part, Result, Rounds, Row, RowKind, percentile, ratio
from tandem_bench.run import PARTS, chosen, settings_of
from tandem_bench.run_config import RunConfig
from tandem_bench.service_usage import Usage, usage

ABOUT = {
    "at": "2026-11-24T20:00:00+00:00",
    "revision": "abc",
    "machine": {"cores": 2, "processor": "a <processor> & more"},
}
PART = Part(
    "throughput",
    "A drain",
    [
        Row("ours", "records/s", Figure((30_000.0, 40_000.0, 20_000.0)), remark="verified", compared=False),
        Row("theirs & co", "records/s", Figure((10_000.0, 40_000.0, 5_000.0)), RowKind.PEER, "3 lost", compared=True),
        Row("a time", "s", Figure((1.5, 1.25, 2.0))),
    ],
    {"records": 1000},
)
RESULT = Result(ABOUT, [PART])


BATCH = ("a batch", "of it planning the stream", "of it computing and writing", "of it offsets and checkpoint")


def shown(part: Part, width: int) -> str:
    """Returns a part's table on a terminal so wide."""
    out = io.StringIO()
    Console(file=out, width=width).print(table(part))
    return out.getvalue()


def test_a_figure_is_its_median_and_its_spread() -> None:
    assert Figure((3.0, 1.0, 2.0)).median == 2
    assert Figure((3.0, 1.0, 2.0)).spread == 1
    assert Figure((4.0, 1.0)).median == 2.5
    assert Figure((5.0,)).spread == 0
    assert Figure((0.0, 0.0)).spread == 0
    with pytest.raises(ValueError, match="needs a value"):
        Figure(())


def test_a_ratio_compares_what_ran_in_the_same_round() -> None:
    # The second round was disturbed, and both were: the medians alone would say 2.
    assert ratio(Figure((30.0, 3.0, 20.0)), Figure((10.0, 1.0, 10.0))) == 3
    with pytest.raises(ValueError, match="same rounds"):
        ratio(Figure((1.0,)), Figure((1.0, 2.0)))


def test_percentiles_are_values_that_were_measured() -> None:
    values = [float(value) for value in range(100, 0, -1)]
    assert percentile(values, 0.5) == 50
    assert percentile(values, 0.99) == 99
    assert percentile(values, 1) == 100
    assert percentile([7.0], 0.01) == 7
    for wrong in (0.0, 1.1):
        with pytest.raises(ValueError, match="percentile"):
            percentile(values, wrong)
    with pytest.raises(ValueError, match="percentile"):
        percentile([], 0.5)


@pytest.mark.parametrize(
    ("value", "text"), [(1_234_567.8, "1 234 568"), (999.6, "1000"), (123.4, "123"), (12.34, "12.3"), (0.456, "0.46")]
)
def test_numbers_are_written_as_precisely_as_they_are_read(value: float, text: str) -> None:
    assert number(value) == text


def test_the_table_tells_medians_extremes_and_ratios_and_has_remarks_below() -> None:
    printed = shown(PART, 200)
    lines = {line.split("│")[1].strip(): line.split("│") for line in printed.splitlines() if "│" in line}
    assert [cell.strip() for cell in lines["ours"][2:7]] == ["30 000", "20 000", "40 000", "records/s", ""]
    assert [cell.strip() for cell in lines["theirs & co"][2:7]] == ["10 000", "5 000", "40 000", "records/s", "3.00"]
    below = printed[printed.index("└") :]
    assert "ours: verified" in below
    assert "theirs & co: 3 lost" in below
    assert "records 1000" in below


def test_rows_of_one_group_stand_together_below_its_title() -> None:
    said: list[str] = []
    found = Rounds(said.append)
    for value in (1.0, 3.0, 2.0):
        found.add("containers, 1 000 records/s", {("a batch", "ms"): value, ("job", "cores"): 10 * value}, "verified")
        found.add("processes, 1 000 records/s", {("a batch", "ms"): 5 * value})
    assert said[0] == "containers, 1 000 records/s: a batch 1 ms, job 10 cores"
    assert [(row.title, row.figure.values, row.remark) for row in found.rows()] == [
        ("containers, 1 000 records/s: a batch", (1, 3, 2), "verified"),
        ("containers, 1 000 records/s: job", (10, 30, 20), ""),
        ("processes, 1 000 records/s: a batch", (5, 15, 10), ""),
    ]
    names = [line.split("│")[1].strip() for line in shown(Part("p", "P", found.rows()), 80).splitlines() if "│" in line]
    assert names == ["containers, 1 000 records/s", "a batch", "job", "processes, 1 000 records/s", "a batch"]


def test_a_table_fits_into_eighty_columns_without_cut_numbers() -> None:
    load = Steady(0.4, 0.9, dict.fromkeys(BATCH, 1234.0), Usage({"job": 1.0}, {"job": 2.0}), 2_000_000)
    found = Rounds(lambda _: None)
    found.add("containers, 10 000 records/s", load.figures(), "2 000 000 events in state; 2100000 records verified")
    printed = shown(Part("full_windows", "A steady load", found.rows()), 80)
    assert all(len(line) <= 80 for line in printed.splitlines())
    # No name needs a second line.
    assert sum("│" in line for line in printed.splitlines()) == 1 + len(load.figures())


def test_a_result_is_written_as_json_and_as_pictures(tmp_path: Path) -> None:
    files = write(RESULT, tmp_path / "new")
    assert [file.name for file in files] == ["bench.json", "throughput.svg"]
    document = json.loads(files[0].read_text())
    assert document["about"] == ABOUT
    ours, theirs, _ = document["parts"][0]["rows"]
    assert ours == {
        "name": "ours",
        "unit": "records/s",
        "kind": "tandem",
        "remark": "verified",
        "group": "",
        "values": [30_000, 40_000, 20_000],
        "median": 30_000,
        "spread": pytest.approx(2 / 3),
        "ratio": None,
    }
    assert theirs["ratio"] == 3


def test_a_picture_has_a_bar_for_each_row_of_the_first_unit() -> None:
    from tandem_bench.render import draw

    root = ElementTree.fromstring(draw(PART, ABOUT))
    space = "{http://www.w3.org/2000/svg}"
    widths = [float(bar.attrib["width"]) for bar in root.iter(f"{space}rect")]
    assert len(widths) == 2
    assert widths[0] == pytest.approx(3 * widths[1], rel=0.01)
    texts = [text.text or "" for text in root.iter(f"{space}text")]
    assert {"ours", "theirs & co", "30 000", "10 000"} <= set(texts)
    assert any("2 cores of a <processor> & more" in text for text in texts)
    assert any("extremes of 3" in text for text in texts)


def test_the_bar_of_a_limit_that_is_far_away_is_cut() -> None:
    from tandem_bench.render import draw

    rows = [Row("ours", "s", Figure((1.0,))), Row("a limit", "s", Figure((90.0,)), RowKind.LIMIT)]
    root = ElementTree.fromstring(draw(Part("p", "P", rows), ABOUT))
    space = "{http://www.w3.org/2000/svg}"
    ours, limit = (float(bar.attrib["width"]) for bar in root.iter(f"{space}rect"))
    assert limit == pytest.approx(2 * ours, rel=0.01)
    assert "90.0 (cut)" in [text.text for text in root.iter(f"{space}text")]


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        write(RESULT, tmp_path / "file")


def test_a_report_covers_what_it_has_committed() -> None:
    report: dict[str, Any] = {"committed": {"a": {"0": 5, "1": 3}}}
    assert covers(report, {"a": {0: 5, 1: 2}})
    assert not covers(report, {"a": {0: 6, 1: 2}})
    assert not covers(report, {"a": {0: 5}, "b": {0: 1}})
    assert covers(report, {"b": {0: 0}})


def test_batches_without_records_are_no_measure_of_a_batch() -> None:
    reports = [{"input_rows": rows, "durations_ms": {"triggerExecution": 10 * rows}} for rows in (0, 3, 5)]
    assert batch_milliseconds(reports) == [30, 50]


def test_records_are_counted_by_their_offsets() -> None:
    assert count({"a": {0: 5, 1: 3}, "b": {0: 2}}) == 10
    assert count({"a": {0: 5, 1: 3}}, {"a": {0: 4, 1: 0}}) == 4


def test_a_latency_begins_with_the_later_record() -> None:
    sent = {(ORDERS.topic, "o"): 10.0, (PAYMENTS.topic, "p"): 12.0, (PAYMENTS.topic, "q"): 3.0}
    arrived = [(12.5, "o", "p"), (13.0, "o", "q"), (14.0, "o", "of somebody else")]
    assert facts_seen(arrived, sent) == [Seen(12.5, 0.5, 12.0), Seen(13.0, 3.0, 10.0)]


def test_what_is_slow_does_not_fall_out_of_the_window() -> None:
    # Sent in the window, seen long after it.
    seen = [Seen(at=sent + 100 * sent, latency=100 * sent, sent_at=float(sent)) for sent in range(1, 101)]
    assert quantiles(seen, 1.0, 101.0) == (5_000, 9_900)
    assert quantiles(seen, 1.0, 2.0) == (100, 100)
    with pytest.raises(ValueError, match="percentile"):
        quantiles(seen, 500.0, 600.0)


def test_what_a_peer_wrote_is_judged() -> None:
    wanted = {("o", "p"): 1, ("o", "q"): 1, ("r", "s"): 1}
    found = [("o", "p"), ("o", "p"), ("o", "p"), ("r", "s"), ("x", "y")]
    assert judge(found, wanted) == Judgement(lost=1, doubled=2, invented=1)
    assert str(judge(found, wanted)) == "1 lost, 2 doubled, 1 invented"
    assert str(Judgement()) == "nothing lost or doubled"


def test_sets_of_records_are_the_same_each_time_and_follow_one_another(bench: RunConfig) -> None:
    assert bench.plan(1) == bench.plan(1)
    first, second = bench.plan(0), bench.plan(1, repeats=0.2)
    # A payment of the second may be dated half an hour before its order, and must not be late.
    job = bench.settings.job
    before = job.lateness_seconds + job.parameters["match_window_seconds"]
    assert (second.start - (first.start + first.span)).total_seconds() >= before
    assert first.name != second.name
    assert (first.count, second.mix.repeats, first.mix.repeats, second.mix.late) == (500, 0.2, 0, 0)


def test_parts_are_run_once_each_in_the_order_of_the_bench() -> None:
    assert chosen([], quick=False) == list(PARTS)
    assert chosen([], quick=True) == list(PARTS)[:3]
    assert chosen(["soak"], quick=True) == ["soak"]
    assert chosen(["idle", "throughput", "idle"], quick=False) == ["throughput", "idle"]
    with pytest.raises(UsageError, match="'warp'"):
        chosen(["warp"], quick=True)


@pytest.mark.parametrize(("part", "checked"), [("dashboard", "chromium"), ("containers", "find_engine")])
def test_a_part_that_needs_what_is_absent_is_left_out_unless_it_was_named(
    monkeypatch: pytest.MonkeyPatch, part: str, checked: str
) -> None:
    def absent() -> str:
        raise EnvironmentNotReadyError("there is none on PATH", hint="install it")

    monkeypatch.setattr(run, checked, absent)
    said: list[str] = []
    assert run.able(["idle", part], named=False, say=said.append) == ["idle"]
    assert said == [f"skipping the part {part}: there is none on PATH"]
    assert run.able(["idle"], named=True, say=said.append) == ["idle"]
    with pytest.raises(EnvironmentNotReadyError):
        run.able(["idle", part], named=True, say=said.append)


def test_a_soak_compares_its_first_and_last_quarter() -> None:
    assert quarters([1, 3, 2, 50, 60, 70, 80, 90, 9, 8, 7, 6]) == (2, 7)
    assert quarters([5.0]) == (5, 5)


def test_full_windows_hold_what_the_job_keeps_until_they_close(bench: RunConfig) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    plan = full_state.plan(bench.settings, 2_000_000, now)
    job = bench.settings.job
    assert (plan.start + plan.span, plan.count, plan.mix.late) == (now, 1_000_000, 0)
    assert plan.span.total_seconds() == job.lateness_seconds + job.parameters["match_window_seconds"]


def test_windows_are_so_long_that_a_load_keeps_so_many_rows(bench: RunConfig) -> None:
    for rows in (10_000, 100_000, 2_100_000):
        job = with_windows(bench.settings, rows, 1000.0).job
        assert 1000 * (job.lateness_seconds + job.parameters["match_window_seconds"]) == rows
    # The profile's own windows, at that rate.
    assert (job.lateness_seconds, job.parameters["match_window_seconds"]) == (300, 1800)
    assert bench.settings.job.lateness_seconds == 300


def test_consumption_is_the_difference_of_two_readings() -> None:
    before = {"job": Reading(10.0, 2**30), "kafka": Reading(5.0, 2**29)}
    after = {"job": Reading(25.0, 2**31), "kafka": Reading(5.0, 2**30)}
    assert usage(before, after, 10.0) == Usage({"job": 1.5, "kafka": 0.0}, {"job": 2.0, "kafka": 1.0})


@pytest.mark.parametrize(
    "after",
    [
        # Its processor time begins again.
        {"job": Reading(1.0, 2**30)},
        {},
        {"job": Reading(11.0, 2**30), "worker": Reading(1.0, 1)},
    ],
)
def test_a_service_that_is_restarted_meanwhile_makes_a_measurement_invalid(after: dict[str, Reading]) -> None:
    with pytest.raises(TandemError, match="restarted"):
        usage({"job": Reading(10.0, 2**30)}, after, 10.0)


@pytest.mark.parametrize("droppable", ["inactive_file", "total_inactive_file"])
def test_the_memory_of_a_container_is_that_of_docker_stats(droppable: str) -> None:
    stats = {
        "cpu_stats": {"cpu_usage": {"total_usage": 2_500_000_000}},
        "memory_stats": {"usage": 3000, "stats": {droppable: 1000}},
    }
    assert reading_of_stats(stats) == Reading(2.5, 2000)
    assert reading_of_stats({**stats, "memory_stats": {"usage": 3000}}) == Reading(2.5, 3000)


def test_an_engine_that_counts_nothing_is_not_believed() -> None:
    """Docker without control groups reports zeros."""
    container = Mock(attrs={"State": {"Pid": os.getpid()}})
    container.stats.return_value = {"cpu_stats": {"cpu_usage": {"total_usage": 0}}, "memory_stats": {}}
    found = reading_of_container(container)
    assert found.seconds > 0
    assert found.memory > 2**20


def test_the_memory_of_processes_is_what_they_really_hold() -> None:
    found = reading_of(family(os.getpid()))
    assert found.seconds > 0
    assert 2**20 < found.memory < 2**36


@pytest.mark.parametrize("unread", ["cpu_times", "memory_full_info" if psutil.LINUX else "memory_info"])
def test_a_process_that_may_not_be_read_is_named_and_one_that_has_ended_counts_nothing(
    unread: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = psutil.Process()
    monkeypatch.setattr(process, unread, Mock(side_effect=psutil.AccessDenied(process.pid)))
    with pytest.raises(EnvironmentNotReadyError, match=f"process {process.pid} .* may not be read"):
        reading_of([process])
    monkeypatch.setattr(process, unread, Mock(side_effect=psutil.NoSuchProcess(process.pid)))
    assert 0 in reading_of([process])


@pytest.mark.parametrize("limit", [500.0, 1000.0, 7000.0, 9000.0, 17_000.0, 33_000.0])
def test_a_search_finds_the_highest_rate_in_few_tries(limit: float) -> None:
    tried: dict[float, bool] = {}
    while rate := next_rate(tried, 8000.0):
        assert rate not in tried
        tried[rate] = rate <= limit
    best = max(rate for rate, held in tried.items() if held)
    assert best <= limit <= 1.2 * best
    assert len(tried) <= 9


def test_given_rates_are_tried_and_no_others(bench: RunConfig) -> None:
    given = replace(bench, rates=[500.0, 4000.0])
    assert next_to_try(given, {}) == 500
    assert next_to_try(given, {500.0: False}) == 4000
    assert next_to_try(given, {500.0: True, 4000.0: True}) is None
    # A quick search has two tries.
    assert next_to_try(bench, {8000.0: True}) == 16_000
    assert next_to_try(bench, {8000.0: True, 16_000.0: True}) is None
    assert next_to_try(replace(bench, quick=False), {8000.0: True, 16_000.0: True}) == 32_000


def test_a_lag_that_varies_with_the_batches_is_flat_and_one_that_grows_is_not() -> None:
    times = [float(second) for second in range(300)]
    # Batches of a second leave up to a second's records behind.
    waves = [1000.0 * (second * 7 % 10) for second in range(300)]
    assert is_flat(times, waves, 10_000.0)
    assert is_flat(times, [20_000.0 - 50 * second for second in range(300)], 10_000.0)
    # A fiftieth of what comes is left behind.
    assert not is_flat(times, [wave + 200 * second for second, wave in enumerate(waves)], 10_000.0)


def test_committed_records_are_counted_over_topics_and_partitions() -> None:
    assert committed_records({"committed": {"a": {"0": 5, "1": 3}, "b": {"0": 2}}}) == 10


def test_the_plain_load_sends_what_the_oracle_expects() -> None:
    sent = [record for number in range(400) for record in moment("x", number, 100, "2026-01-01T00:00:00.000Z")]
    arrivals = {stream.name: Intake(stream, max_clock_skew_seconds=10**9, sender=None) for stream in STREAMS}
    for stream in STREAMS:
        values = [value for topic, _, value in sent if topic == stream.topic]
        arrivals[stream.name].take(
            TopicRecord(0, place, 2_000_000_000_000, b"key", value.encode(), []) for place, value in enumerate(values)
        )
    accepted = {name: intake.accepted for name, intake in arrivals.items()}
    nothing: dict[str, set[str]] = {collection.name: set() for collection in COLLECTIONS}
    found = oracle.expect(accepted, watermark_ms=0, late=set(), observed=nothing, match_window_seconds=1800)
    # 300 orders were paid so far, but for every twentieth.
    assert len(found.documents[FACTS.name]) == 300 - 300 // 20
    assert len(accepted["orders"]) == 400
    # One of fifty moments also has an order among the payments.
    assert len(accepted["payments"]) == 400


def test_growth_drains_only_what_the_machine_has_memory_for() -> None:
    million = 1_000_000
    sizes = [8 * million, 4 * million, 2 * million, million]
    assert [heap_gib(size) for size in sizes] == [12, 6, 4, 4]
    assert fitting(sizes, 23.4) == sizes
    assert fitting(sizes, 15.5) == sizes[1:]
    assert fitting(sizes, 6) == [million]


def test_the_rates_of_nested_records_leave_out_the_round_of_a_cold_java() -> None:
    parsing, plain, reading = rows_of({"parse": [9.0, 2.0, 4.0], "from_json": [9.0, 1.0, 1.0], "read": [9, 1, 1]}, 100)
    assert parsing.figure.values == (50.0, 25.0)
    part = Part("nested", "Parsing", [parsing, plain, reading])
    assert part.ratio(plain) == 0.375


def test_the_help_names_every_part() -> None:
    assert list(PARTS) == PART_NAMES


def test_nothing_of_the_bench_is_where_an_environment_of_the_users_is() -> None:
    settings = settings_of(31150)
    assert (settings.kafka.port, settings.kafka.controller_port, settings.mongo.port) == (31150, 31151, 31152)
    assert (settings.ui.spark_port, settings.ui.dashboard_port) == (31153, 31154)
    containers = settings_of(31150, "compose")
    assert (containers.backend, containers.project, containers.ui.master_port) == ("compose", "tandem-bench", 31155)
    assert containers.kafka.bootstrap == settings.kafka.bootstrap
    assert settings.kafka.bootstrap == "127.0.0.1:31150"
    assert settings.state_dir.name == "bench"


@pytest.fixture
def bench() -> RunConfig:
    settings = settings_of(31150)
    return RunConfig(
        settings=settings,
        quick=True,
        rounds=1,
        records=1000,
        say=lambda _: None,
        rows=1000,
        rates=[],
        warm_s=None,
        seconds=None,
        containers=settings_of(31150, "compose"),
        environments=[settings],
    )


def test_the_images_are_listed_with_their_sizes_the_largest_first() -> None:
    found = image_figures({"tandem/app": 244_000_000, "tandem/spark": 995_000_000})
    assert list(found.items()) == [(("image tandem/spark", "GB"), 0.995), (("image tandem/app", "GB"), 0.244)]
