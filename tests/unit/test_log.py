"""What is logged, as lines for a person and for a machine, and how `tandem logs` reads every service's lines."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
import structlog

from tandem import log
from tandem.engine.spark.job_log import JSON, TEXT
from tandem.supervision.log_line import LogLine, parse


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


@pytest.mark.parametrize("line", ['{"t": broken', "{}", "[]", '{"t": 5}', "", "no time"])
def test_what_is_nothing_of_that_stays_as_it_is(line: str) -> None:
    assert parse(line, "x") == LogLine(None, None, line, "x")
