"""Text from outside, up to a megabyte of it, never takes longer than its length explains."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem.engine.spark.failure import failure_of
from tandem.verify import strict_json

MEGABYTE = 1_000_000
# A pattern that backtracks needs years for these, one that does not a fraction of a second.
HANGS_SECONDS = 60

# Calls a function with each of the texts that it reads, and writes what came of each.
PROGRAM = """
import importlib, json, sys
module, _, name = sys.argv[1].rpartition(".")
function = getattr(importlib.import_module(module), name)
results = []
for text in json.load(sys.stdin):
    try:
        results.append(repr(function(text, *sys.argv[2:]))[:200])
    except ValueError as error:
        results.append(type(error).__name__)
json.dump(results, sys.stdout)
"""


def results(function: str, texts: list[str], *arguments: str) -> list[str]:
    """Returns what a function makes of each text, in a process that can be ended."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, function, *arguments],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        timeout=HANGS_SECONDS,
        check=True,
    )
    found: list[str] = json.loads(done.stdout)
    return found


def repeated(unit: str, size: int = MEGABYTE) -> str:
    return unit * (size // len(unit))


PAIR = r"\ud83d\ude00"


@pytest.mark.parametrize(
    "text",
    [
        rf'{{"a": "{PAIR} thank you for your order, see you soon',
        rf'{{"a": "{PAIR}' + repeated("a"),
        rf'{{"a": "{PAIR}' + repeated(r"a\n"),
        rf'{{"a": "{PAIR}' + repeated("\\"),
        rf'{{"a": "{PAIR}' + repeated(PAIR),
        rf'{{"{PAIR}' + repeated("a"),
        rf'{{"a": "{PAIR}", "b": ' + repeated("9"),
        rf'{{"a": "{PAIR}", "b": ' + repeated("1e"),
        rf'{{"a": "{PAIR}", "b": ' + repeated("[1, "),
        rf'{{"a": "{PAIR}"' + repeated(" "),
        rf'{{"a": "{PAIR}", ' + repeated('"'),
        repeated("9" * 299 + "x"),
    ],
    ids=lambda text: f"{text[:40]}...{text[-4:]}",
)
def test_a_record_that_is_cut_off_is_no_json(text: str) -> None:
    assert results("tandem.verify.strict_json.parse", [text]) in (["JSONDecodeError"], ["ValueError"])


@given(st.text(st.sampled_from('"\\ud83de0a\n\x1f é'), max_size=12))
@settings(max_examples=500)
def test_strings_are_read_like_pythons_own_parser_reads_them(inner: str) -> None:
    # Behind half a pair in a name all is read by the parser for unusual texts.
    text = f'{{"{PAIR}": "{inner}"}}'
    try:
        expected = json.loads(text)
        json.dumps(expected, ensure_ascii=False).encode()
    except ValueError:
        with pytest.raises(ValueError):  # noqa: PT011  # all that it raises
            strict_json.parse(text)
    else:
        assert strict_json.parse(text) == expected


FAILURES = [
    repeated("Error reading "),
    "Error " + repeated("ing"),
    repeated("STATE_STORE_"),
    repeated("INCOMPATIBLE_LOG"),
    repeated("JobError"),
    repeated("Exception: "),
    "CANNOT_LOAD_" + repeated("Interrupted"),
    repeated("File "),
    'File "' + repeated("a"),
    "was called from\n" + repeated(":1a"),
    "was called from\n" * 50_000,
    repeated("java."),
    repeated("java.a"),
    repeated("com.mongodb."),
    "java." + repeated("Exceptio"),
    repeated("index: "),
    repeated("code="),
    "code=" + repeated("1"),
    repeated("[A"),
    repeated("a."),
    *(f'File "/pipeline/transform.py", line 3\n{rest}' for rest in (repeated("a."), repeated("a"), repeated("\n"))),
]


def test_an_error_that_quotes_a_record_is_reported() -> None:
    told = results("tests.unit.test_hostile_text.told_of_query", FAILURES, "/pipeline")
    assert len(told) == len(FAILURES)
    assert "ValueError" not in told
    assert "ValueError" not in results("tandem.engine.spark.failure.mongo_error", FAILURES, "writing facts")


def told_of_query(text: str, folder: str) -> str:
    told = failure_of(cast(Any, text), Path(folder), fresh=True).reason
    if len(told) > 2_000:
        raise ValueError(f"{len(told)} characters are no line")
    return told


def test_a_log_line_is_parsed() -> None:
    time = "2026-11-24 10:00:00"
    lines = [
        time + repeated(" "),
        time + " " + repeated("A"),
        f"[{time}" + repeated("]"),
        repeated("1"),
        time + ".1" * 9,
        # Deeper than Python reads.
        '{"time": ' + repeated("["),
    ]
    assert len(results("tandem.supervision.log_line.parse", lines)) == len(lines)
