"""How the progress of long work looks on a terminal and elsewhere."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr

import pytest
import structlog

from tandem import log, polling
from tandem.progress_display import (
    LINE_INTERVAL_S,
    QUIET_S,
    ProgressDisplay,
    duration,
    progress,
    progress_hidden,
    work_shown,
)

HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Terminal:
    """A terminal, and what was written to it."""

    def __init__(self) -> None:
        self._ours, theirs = pty.openpty()
        self.file = os.fdopen(theirs, "w")
        self._written = b""

    def written(self) -> str:
        os.set_blocking(self._ours, False)
        try:
            while block := os.read(self._ours, 65536):
                self._written += block
        except BlockingIOError:
            pass
        return self._written.decode()

    def close(self) -> None:
        self.file.close()
        os.close(self._ours)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    opened = Terminal()
    yield opened
    opened.close()


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


@contextmanager
def failing() -> Iterator[None]:
    with pytest.raises(KeyboardInterrupt):
        yield


def test_a_terminal_gets_a_bar_that_disappears(clock: Clock, terminal: Terminal) -> None:
    with redirect_stderr(terminal.file):
        with progress(clock) as display:
            display.show("the job catches up", 0, 2_000_000, unit="records")
            for _ in range(3):
                clock.now += 2
                display.show("the job catches up", int(clock.now - 100) * 100_000, 2_000_000, unit="records")
        assert sys.stderr is terminal.file
    written = terminal.written()
    assert re.search(r"the job catches up [━╺╸]+ 600,000 of 2,000,000 records, 100,000/s, 14 s left", plain(written))
    assert written.count(HIDE) == written.count(SHOW) == 1
    # The last thing written erases the row.
    assert written.endswith("\x1b[1A\x1b[2K")


def test_an_error_leaves_the_terminal_clean(clock: Clock, terminal: Terminal) -> None:
    with redirect_stderr(terminal.file):
        with failing(), progress(clock) as display:
            clock.now += QUIET_S
            display.show("reading", 1, 2, unit="records")
            raise KeyboardInterrupt
        assert sys.stderr is terminal.file
        display.show("reading", 2, 2, unit="records")
    assert terminal.written().endswith("\x1b[1A\x1b[2K")
    assert terminal.written().count(SHOW) == 1


def test_short_work_writes_nothing_to_a_terminal(clock: Clock, terminal: Terminal) -> None:
    with redirect_stderr(terminal.file), progress(clock) as display:
        clock.now += QUIET_S - 0.1
        display.show("reading", 1, 2, unit="records")
    assert terminal.written() == ""


def test_other_lines_stand_above_the_bar(clock: Clock, terminal: Terminal) -> None:
    try:
        log.to_console()
        with redirect_stderr(terminal.file), progress(clock) as display:
            clock.now += QUIET_S
            display.show("reading", 1, 2, unit="records")
            sys.stderr.write("a message\n")
            structlog.get_logger().warning("a log line")
    finally:
        structlog.reset_defaults()
    lines = [line.strip() for line in plain(terminal.written()).replace("\r", "\n").splitlines()]
    assert "a message" in lines
    assert any(line.endswith("a log line") and "reading" not in line for line in lines)


@pytest.mark.parametrize("variable", ["TERM=dumb", "TTY_INTERACTIVE=0"])
def test_a_terminal_that_cannot_move_its_cursor_gets_lines(
    clock: Clock, terminal: Terminal, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(*variable.split("="))
    with redirect_stderr(terminal.file), progress(clock) as display:
        display.show("reading", 0, 2, unit="records")
        clock.now += QUIET_S
        display.show("reading", 1, 2, unit="records")
    assert terminal.written() == "reading: 1 of 2 records\r\nreading: 1 record in 2 s\r\n"


def test_no_color_keeps_the_bar_without_colours(
    clock: Clock, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def draw() -> str:
        with redirect_stderr(terminal.file), progress(clock) as display:
            clock.now += QUIET_S
            display.show("reading", 1, 2, unit="records")
        return terminal.written()

    colours = re.compile(r"\x1b\[[0-9;]*3[0-9;]*m")
    assert colours.search(draw())
    before = len(terminal.written())
    monkeypatch.setenv("NO_COLOR", "1")
    assert "1 of 2 records" in draw()[before:]
    assert not colours.search(terminal.written()[before:])


def test_a_pipe_gets_few_lines(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with progress(clock) as display:
        for second in range(31):
            clock.now = 100 + second
            display.show("reading", second * 1000, 30_000, unit="records")
    assert capsys.readouterr().err.splitlines() == [
        "reading: 2,000 of 30,000 records, 1,000/s, 28 s left",
        "reading: 12,000 of 30,000 records, 1,000/s, 18 s left",
        "reading: 22,000 of 30,000 records, 1,000/s, 8 s left",
        "reading: 30,000 records in 30 s",
    ]
    assert LINE_INTERVAL_S == 10


def test_colours_that_a_variable_asks_for_draw_no_bar_in_a_pipe(
    clock: Clock, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with progress(clock) as display:
        clock.now += QUIET_S
        display.show("reading", 1, 2, unit="records")
    written = capsys.readouterr()
    assert written.out == ""
    assert "reading: 1 of 2 records" in written.err
    assert all(character.isprintable() or character == "\n" for character in written.err)


def test_short_work_and_failed_work_have_no_last_line(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with progress(clock) as display:
        display.show("reading", 2, 2, unit="records")
    assert capsys.readouterr().err == ""
    with failing(), progress(clock) as display:
        clock.now += QUIET_S
        display.show("reading", 1, 2, unit="records")
        raise KeyboardInterrupt
    assert capsys.readouterr().err == "reading: 1 of 2 records\n"


def test_an_unknown_total_shows_the_time(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with progress(clock) as display:
        display.show("waiting for the job")
        display.show("jars for spark", 1, unit="jars")
        clock.now += 65
        display.show("waiting for the job")
        display.show("jars for spark", 3, unit="jars")
    assert capsys.readouterr().err.splitlines() == [
        "waiting for the job: 1 min 5 s; jars for spark: 1 jar, 1 min 5 s",
        "waiting for the job: 1 min 5 s",
        "jars for spark: 3 jars in 1 min 5 s",
    ]


def test_a_total_that_grows_keeps_the_rate(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with progress(clock) as display:
        for second, total in enumerate((10, 20, 20, 40)):
            clock.now = 100 + second * 10
            display.show("reading", second * 10, total, unit="records")
    assert capsys.readouterr().err.splitlines() == [
        "reading: 10 of 20 records",
        "reading: 30 of 40 records, 1.0/s, 10 s left",
        "reading: 30 records in 30 s",
    ]


def test_finished_work_may_begin_again(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    """Spark's next stage may have as many tasks as the one before."""
    with progress(clock) as display:
        for done in (0, 20, 20, 3, 20):
            display.show("reading", done, 20, unit="tasks")
            clock.now += 2
    # Nothing is said while all work is done, and the next line comes at once.
    assert capsys.readouterr().err.splitlines() == ["reading: 3 of 20 tasks", "reading: 20 tasks in 8 s"]


def test_one_is_singular(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with progress(clock) as display:
        display.show("writing", 0, 1, unit="tasks")
        clock.now += 6
        display.show("writing", 1, 1, unit="tasks")
    assert capsys.readouterr().err.splitlines() == ["writing: 1 task in 6 s"]


def test_without_a_unit_numbers_are_bare(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with progress(clock) as display:
        display.show("step", 0, 3)
        clock.now += 2
        display.show("step", 1, 3)
    assert capsys.readouterr().err.splitlines() == ["step: 1 of 3", "step: 1 in 2 s"]


def test_the_time_passes_on_a_terminal_without_further_numbers(clock: Clock, terminal: Terminal) -> None:
    with redirect_stderr(terminal.file), progress(clock) as display:
        display.show("comparing")
        display.redraw()
        assert terminal.written() == ""
        clock.now += 75
        display.redraw()
    assert re.search(r"comparing [━╺╸]+ 1 min 15 s", plain(terminal.written()))
    assert terminal.written().endswith("\x1b[1A\x1b[2K")


def test_the_time_passes_in_a_pipe_without_further_numbers(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with progress(clock) as display:
        display.show("comparing")
        for _ in range(30):
            clock.now += 1
            display.redraw()
    assert capsys.readouterr().err.splitlines() == [
        *("comparing: 2 s", "comparing: 12 s", "comparing: 22 s"),
        "comparing: 30 s",
    ]


def test_a_display_without_rows_draws_nothing(clock: Clock, terminal: Terminal) -> None:
    with redirect_stderr(terminal.file), progress(clock) as display:
        clock.now += QUIET_S
        display.redraw()
    assert terminal.written() == ""


def test_work_is_redrawn_until_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    redrawn = threading.Event()
    monkeypatch.setattr(polling, "_POLL_S", 0.001)
    monkeypatch.setattr(ProgressDisplay, "redraw", lambda _: redrawn.set())
    before = threading.active_count()
    with work_shown("comparing"):
        assert redrawn.wait(10)
    assert threading.active_count() == before


def test_work_within_other_work_is_a_row_of_the_same_bar(clock: Clock, terminal: Terminal) -> None:
    with redirect_stderr(terminal.file), work_shown("deploying", clock):
        clock.now += QUIET_S
        with progress() as display:
            display.show("uploading", 1, 2, unit="files")
        before = len(terminal.written())
        clock.now += 1
        display.redraw()
    assert re.search(r"deploying +[━╺╸]+ 2 s *\s+uploading [━╺╸]+ 1 of 2 files", plain(terminal.written()))
    assert "uploading" not in terminal.written()[before:]
    assert terminal.written().count(HIDE) == terminal.written().count(SHOW) == 1


def test_work_within_other_work_has_its_own_last_line(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with work_shown("deploying", clock):
        clock.now += QUIET_S
        with work_shown("checking"):
            clock.now += 1
        with work_shown("uploading"):
            clock.now += QUIET_S
        with failing(), work_shown("submitting"):
            clock.now += QUIET_S
            raise KeyboardInterrupt
    assert capsys.readouterr().err.splitlines() == [
        # The first line comes as soon as something is shown.
        "deploying: 2 s; checking: 0 s",
        "uploading: 2 s",
        "deploying: 7 s",
    ]


def test_work_after_other_work_has_a_display_of_its_own(clock: Clock) -> None:
    with progress(clock) as first, progress(clock) as within:
        assert within is first
    with progress(clock) as second:
        assert second is not first


def test_nothing_is_drawn_while_another_program_writes(clock: Clock, terminal: Terminal) -> None:
    with redirect_stderr(terminal.file), work_shown("measuring", clock), progress() as display:
        clock.now += QUIET_S
        display.redraw()
        with progress_hidden():
            before = terminal.written()
            assert before.endswith(f"\x1b[2K{SHOW}\r")
            clock.now += QUIET_S
            display.redraw()
            assert terminal.written() == before
        display.redraw()
        assert "measuring" in plain(terminal.written()[len(before) :])


def test_lines_of_another_program_are_not_erased(clock: Clock, terminal: Terminal) -> None:
    with redirect_stderr(terminal.file), work_shown("measuring", clock), progress() as display:
        display.show("reading", 1, 2, unit="records")
        clock.now += QUIET_S
        display.redraw()
        with progress_hidden():
            before = len(terminal.written())
            terminal.file.write("its last line\n")
            terminal.file.flush()
        display.redraw()
    resumed = terminal.written()[before:].partition("its last line\r\n")[2]
    first_frame = resumed[: resumed.index("measuring")]
    assert "\x1b[1A" not in first_frame


def test_without_a_display_nothing_is_hidden(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_hidden():
        pass
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (125, "2 min 5 s"), (7320, "2 h 2 min")]
)
def test_durations(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


PRINTS = """
import itertools, json
from tandem.progress_display import progress
with progress(itertools.count(step=3).__next__) as display:
    display.show("reading", 1, 2, unit="records")
    print(json.dumps({"count": 1}))
    display.show("reading", 2, 2, unit="records")
"""


def test_a_bar_leaves_standard_output_alone(terminal: Terminal) -> None:
    done = subprocess.run([sys.executable, "-c", PRINTS], stdout=subprocess.PIPE, stderr=terminal.file, check=True)
    assert json.loads(done.stdout) == {"count": 1}
    assert "1 of 2 records" in terminal.written()
    assert "count" not in terminal.written()
