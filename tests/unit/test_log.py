"""What is logged, as lines for a person and for a machine, and how `tandem logs` reads every service's lines."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import structlog

from tandem import log
from tandem.engine.spark.job_log import JSON, TEXT
from tandem.platforms.compose import container_logs
from tandem.supervision.log_line import LogLine, parse
from tandem.supervision.logs import error_summary, merged


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    yield
    structlog.reset_defaults()


SAYS = """
import logging, sys
from tandem.engine.spark.job_log import log_to_stderr, values
log_to_stderr(sys.argv[1])
logging.getLogger("tandem.job").warning("two\\nlines %d", 1, extra=values(batch=12, offsets={"t": {"0": 5}}))
"""


@pytest.mark.parametrize("form", [TEXT, JSON])
def test_the_jobs_line_is_read_again(form: str) -> None:
    # In a process of its own: pytest has handlers on the root logger.
    (line,) = subprocess.run(
        [sys.executable, "-c", SAYS, form], stderr=subprocess.PIPE, text=True, check=True
    ).stderr.splitlines()
    read = parse(line, "job")
    assert read.at is not None
    assert (read.level, read.service) == ("warning", "job")
    text = "two\\nlines 1" if form == TEXT else "two\nlines 1"
    assert read.text == f'tandem.job {text} batch=12 offsets={{"t":{{"0":5}}}}'


def test_a_tools_line_has_the_names_of_the_jobs(capsys: pytest.CaptureFixture[str]) -> None:
    log.to_stderr(JSON)
    structlog.get_logger().error("no answer", service="kafka")
    line = capsys.readouterr().err
    assert set(json.loads(line)) == {"time", "severity", "message", "service"}
    assert (parse(line).level, parse(line).text) == ("error", "no answer service=kafka")


def test_a_terminal_shows_no_details(capsys: pytest.CaptureFixture[str]) -> None:
    log.to_console()
    structlog.get_logger().debug("detail")
    structlog.get_logger().info("news")
    assert re.findall("detail|news", capsys.readouterr().err) == ["news"]
    log.to_stderr(TEXT)
    structlog.get_logger().debug("detail")
    assert parse(capsys.readouterr().err).level == "debug"


@pytest.mark.parametrize(
    ("line", "level", "text"),
    [
        ("[2026-11-22 10:00:01,500] WARN [Broker id=1] slow (log)", "warning", "[Broker id=1] slow (log)"),
        ("2026-11-22T10:00:01.500Z ERROR MicroBatchExecution failed", "error", "MicroBatchExecution failed"),
        ("timestamp=2026-11-22T10:00:01.500Z level=info event='ready' pid=1", "info", "event='ready' pid=1"),
        ('{"t":{"$date":"2026-11-22T11:00:01.500+01:00"},"s":"E","c":"NETWORK","msg":"m"}', "error", "NETWORK m"),
        ('{"time":"2026-11-22T10:00:01.5Z","severity":"INFO","logger":"a.B","message":"m"}', "info", "a.B m"),
        ("2026-11-22T10:00:01.500Z Started here", None, "Started here"),
        ("2026-11-22T10:00:01.500Z alone", None, "alone"),
    ],
)  # fmt: skip
def test_every_service_tells_time_and_level_in_its_own_way(line: str, level: str | None, text: str) -> None:
    read = parse(line, "x")
    assert (read.level, read.text) == (level, text)
    assert str(read) == f"{'x':<17} 2026-11-22T10:00:01.500Z {(level or '').upper():<7} {text}"


FOREIGN = [
    *('{"t": broken', "{}", "[]", '{"t": 5}', "", "no time", "{" * 30_000, '{"t":' * 30_000),
    '{"level":30,"time":1531171074631,"msg":"hello"}',
    '{"time":null,"severity":"INFO","message":"m"}',
    '{"time":"noon","severity":"INFO","message":"m"}',
    '{"time":"2026-11-22T10:00:01Z","severity":[],"message":"m"}',
    '{"t":{"$date":5},"s":"I","c":"c","msg":"m"}',
    '{"t":[],"s":"I"}',
    f'{{"time":{"1" * 5000}}}',
    "2016-12-31 23:59:60 WARN leap",
    "2026-99-99 10:00:00 x",
    "2026-11-22T10:00:00+99:99 x",
    "0001-01-01T00:00:00+05:00 before the first year",
    "9999-12-31T23:59:59-05:00 after the last one",
]


@pytest.mark.parametrize("line", FOREIGN)
def test_what_is_nothing_of_that_stays_as_it_is(line: str) -> None:
    assert parse(line, "x") == LogLine(None, None, line, "x")
    assert str(parse(line, "x")).endswith(line)


def test_a_message_of_another_type_is_shown_as_json() -> None:
    line = parse('{"time":"2026-11-22T10:00:01Z","severity":"INFO","logger":5,"message":{"a":1}}')
    assert (line.level, line.text) == ("info", '5 {"a":1}')


def test_lines_of_other_programs_are_printed_and_hide_no_cause(tmp_path: Path) -> None:
    file = tmp_path / "job.log"
    file.write_text("\n".join(["2026-11-22 10:00:00 WARN first", *FOREIGN, "2026-11-22 10:00:01 WARN last"]) + "\n")
    assert [line.text for line in merged({"job": file}, follow=False, since=None)][1:-1] == FOREIGN
    for line in FOREIGN:
        file.write_text(f"{line} ERROR\n")
        assert error_summary(file) == f"{line} ERROR".strip()[:300]


def test_what_a_library_logs_later_hides_no_reason(tmp_path: Path) -> None:
    file = tmp_path / "job.log"
    own = "2026-11-22T10:00:00.183Z ERROR tandem.job the query failed: Java ran out of memory"
    later = "2026-11-22T10:00:00.183Z ERROR py4j.clientserver There was an exception"
    file.write_text(f"{own}\n{later}\n")
    assert error_summary(file) == "tandem.job the query failed: Java ran out of memory"


def test_containers_lines_without_the_engines_time_are_printed() -> None:
    lines = b"2026-11-22T10:00:00.5Z 10 %\r20 %\rdone\nerror from daemon in stream: Error grabbing logs\n\n"
    container = SimpleNamespace(logs=lambda **_: lines)
    found = container_logs.merged({"kafka": container}, follow=False, since=None)
    assert sorted(line.text for line in found) == [
        "",
        "10 %\r20 %\rdone",
        "error from daemon in stream: Error grabbing logs",
    ]
    container = SimpleNamespace(logs=lambda **_: iter([lines]))
    assert len(list(container_logs.merged({"kafka": container}, follow=True, since=None))) == 3
