"""Shows the progress of long work: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text

from tandem.polling import polled
from tandem.waiting import wait_for

T = TypeVar("T")
Arguments = ParamSpec("Arguments")
# Shorter work shows nothing.
QUIET_S = 2.0
LINE_INTERVAL_S = 10.0
_BAR_WIDTH = 20
_REDRAWS_A_SECOND = 4


class ProgressDisplay:
    """The rows of one command's work; thread-safe.

    It writes to standard error.

    Args:
        clock: returns the time in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        console = Console(stderr=True, highlight=False)
        # Rich also animates where variables such as FORCE_COLOR ask for colours in a pipe.
        self._animated = sys.stderr.isatty() and console.is_interactive
        columns = (TextColumn("{task.description}", markup=False), BarColumn(_BAR_WIDTH), _Numbers())
        # Standard output is the command's data, which Rich would print to the console.
        self._rows = Progress(
            *columns,
            console=console,
            transient=True,
            redirect_stdout=False,
            refresh_per_second=_REDRAWS_A_SECOND,
            get_time=clock,
        )
        self._clock, self._began = clock, clock()
        self._next_line_s = QUIET_S
        self._lock, self._ended, self._hidden = threading.Lock(), False, False

    def show(self, what: str, done: int = 0, total: int | None = None, unit: str = "") -> None:
        """Shows how much of some work is done.

        Each kind of work has a row. After the end of the ``with`` statement it shows nothing.

        Args:
            what: the work, as the beginning of a line.
            done: how much of it is done.
            total: how much it is altogether, which may change; None if that is unknown.
            unit: what is counted, in a plural that ends with ``s``; empty for bare numbers.
        """
        with self._lock:
            if self._ended:
                return
            row = self._row(what, unit)
            # Through `update` a new total would make it forget the rate.
            row.total = total
            if total is None or done < total:
                # It may have been finished before.
                row.finished_time = None
            self._rows.update(row.id, completed=done)
            self._draw()

    def redraw(self) -> None:
        """Shows the same work again, with the time that has passed."""
        with self._lock:
            if not self._ended:
                self._draw()

    @contextmanager
    def part(self) -> Iterator[None]:
        """Removes the rows that are added in the ``with`` statement.

        Elsewhere than on a terminal, it writes their last lines, unless the statement fails.
        """
        with self._lock:
            before, began = {row.id for row in self._rows.tasks}, self._clock()
        failed = True
        try:
            yield
            failed = False
        finally:
            with self._lock:
                added = [row for row in self._rows.tasks if row.id not in before]
                self._conclude(added, began, failed=failed)
                for row in added:
                    self._rows.remove_task(row.id)

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Shows nothing until the ``with`` statement ends.

        Another program may write to the terminal meanwhile.
        """
        with self._lock:
            before, self._hidden = self._hidden, True
            if self._rows.live.is_started:
                # Rich erases as many lines at the next start as it has drawn last.
                self._set_visible(False)
                self._rows.stop()
                self._set_visible(True)
        try:
            yield
        finally:
            with self._lock:
                self._hidden = before

    def end(self, *, failed: bool) -> None:
        """Removes the bars, or writes the last lines unless the work failed."""
        with self._lock:
            self._ended = True
            if self._rows.live.is_started:
                self._rows.stop()
            self._conclude(self._rows.tasks, self._began, failed=failed)

    def _set_visible(self, visible: bool) -> None:
        for row in self._rows.tasks:
            row.visible = visible

    def _draw(self) -> None:
        elapsed = self._clock() - self._began
        unfinished = [each for each in self._rows.tasks if not each.finished]
        if self._hidden:
            return
        if self._animated and elapsed >= QUIET_S and self._rows.tasks:
            self._rows.start()
        elif not self._animated and unfinished and elapsed >= self._next_line_s:
            self._next_line_s = elapsed + LINE_INTERVAL_S
            _write("; ".join(f"{each.description}: {numbers(each)}" for each in unfinished))

    def _conclude(self, rows: Sequence[Task], began: float, *, failed: bool) -> None:
        """Writes the last lines of rows, unless they failed, were short or had bars."""
        if not self._animated and not failed and self._clock() - began >= QUIET_S:
            for row in rows:
                _write(f"{row.description}: {_summary(row)}")

    def _row(self, what: str, unit: str) -> Task:
        for row in self._rows.tasks:
            if row.description == what:
                return row
        number = self._rows.add_task(what, total=None, unit=unit)
        return next(row for row in self._rows.tasks if row.id == number)


_current: ContextVar[ProgressDisplay | None] = ContextVar("current progress display", default=None)


@contextmanager
def progress(clock: Callable[[], float] = time.monotonic) -> Iterator[ProgressDisplay]:
    """Yields a display of the progress of the work in the ``with`` statement.

    On a terminal it has bars, which disappear at the end. Elsewhere, and with TERM=dumb, it writes a line every ten
    seconds at most, and a last one for each row. Within another one, it adds rows to that display.
    """
    if outer := _current.get():
        with outer.part():
            yield outer
        return
    display = ProgressDisplay(clock)
    token = _current.set(display)
    failed = True
    try:
        with polled(display.redraw):
            yield display
        failed = False
    finally:
        _current.reset(token)
        display.end(failed=failed)


@contextmanager
def work_shown(what: str, clock: Callable[[], float] = time.monotonic) -> Iterator[None]:
    """Shows how long the work in the ``with`` statement takes.

    Args:
        what: the work, as the beginning of a line.
        clock: as for ``progress``.
    """
    with progress(clock) as display:
        display.show(what)
        yield


@contextmanager
def progress_hidden() -> Iterator[None]:
    """Hides the display, if any, while another program writes to the terminal."""
    display = _current.get()
    with display.hidden() if display else nullcontext():
        yield


def _shown(wait: Callable[Concatenate[str, Arguments], T]) -> Callable[Concatenate[str, Arguments], T]:
    @wraps(wait)
    def shown(what: str, /, *arguments: Arguments.args, **options: Arguments.kwargs) -> T:
        with work_shown(f"waiting for {what}"):
            return wait(what, *arguments, **options)

    return shown


# Waits as ``wait_for`` does, and shows meanwhile how long the wait takes.
wait_shown = _shown(wait_for)


def numbers(row: Task) -> str:
    """Returns how much of a row's work is done, its rate and the time left."""
    if row.finished:
        return _summary(row)
    if row.total is None and not row.completed:
        return duration(row.elapsed)
    of = "" if row.total is None else f" of {row.total:,.0f}"
    parts = [_counted(f"{row.completed:,.0f}{of}", row)]
    if row.speed:
        parts.append(f"{row.speed:,.0f}/s" if row.speed >= 10 else f"{row.speed:.1f}/s")
    if row.time_remaining is not None:
        parts.append(f"{duration(row.time_remaining)} left")
    elif row.total is None:
        parts.append(duration(row.elapsed))
    return ", ".join(parts)


def duration(seconds: float | None) -> str:
    """Returns a duration in its two largest units, such as ``2 min 5 s``."""
    minutes, rest = divmod(round(seconds or 0), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


class _Numbers(ProgressColumn):
    """The numbers beside a bar."""

    def __init__(self) -> None:
        # The bar gives way on a narrow terminal.
        super().__init__(Column(no_wrap=True))

    def render(self, task: Task) -> Text:
        return Text(numbers(task))


def _summary(row: Task) -> str:
    took = duration(row.elapsed if row.finished_time is None else row.finished_time)
    return f"{_counted(f'{row.completed:,.0f}', row)} in {took}" if row.completed else took


def _counted(number: str, row: Task) -> str:
    unit = row.fields["unit"]
    if number == "1":
        unit = unit.removesuffix("s")
    return f"{number} {unit}" if unit else number


def _write(line: str) -> None:
    # In one call, so that lines of other threads do not mix with it.
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
