"""What a driver does when signals ask for it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tandem.engine.run.pipeline_loader import reloaded
from tandem.engine.run.signals import RELOAD, SignalHandler
from tandem.scaffold import write


@pytest.fixture
def signals() -> Iterator[SignalHandler]:
    numbers = (signal.SIGTERM, signal.SIGINT, RELOAD)
    before = [signal.getsignal(number) for number in numbers]
    found = SignalHandler()
    found.listen()
    yield found
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


def test_a_reload_stops_the_query_and_lets_it_begin_again(signals: SignalHandler) -> None:
    os.kill(os.getpid(), RELOAD)
    assert signals.stopping.wait(5)
    assert signals.restart_requested()
    assert not signals.stopping.is_set()
    assert not signals.restart_requested()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_who_wants_it_to_end_wins(signals: SignalHandler, number: int) -> None:
    os.kill(os.getpid(), number)
    os.kill(os.getpid(), RELOAD)
    assert signals.stopping.wait(5)
    assert not signals.restart_requested()


@pytest.mark.parametrize(("number", "again"), [(signal.SIGTERM, False), (RELOAD, True)])
def test_a_signal_is_heard_also_when_it_comes_while_the_job_begins_again(
    signals: SignalHandler, monkeypatch: pytest.MonkeyPatch, number: int, again: bool
) -> None:
    clear = signals.stopping.clear

    def hearing() -> None:
        signal.raise_signal(number)
        clear()

    monkeypatch.setattr(signals.stopping, "clear", hearing)
    signal.raise_signal(RELOAD)
    assert signals.restart_requested()
    assert signals.stopping.is_set()
    monkeypatch.undo()
    assert signals.restart_requested() == again


def test_code_is_read_anew_in_all_modules(tmp_path: Path) -> None:
    own = tmp_path / "reloaded_pipelines"
    place = write("parcels", own)
    pipeline = place.module("transform").PIPELINE
    streams = place.file("streams")
    streams.write_text(streams.read_text().replace("parcels_dead_letter_v1", "parcels_dead_letter_v2"))
    again = reloaded(pipeline)
    assert again.dead_letter_topic == "parcels_dead_letter_v2"
    assert again.transform is sys.modules[f"{place.package}.transform"].transform
    streams.write_text("STREAMS = (\n")
    with pytest.raises(SyntaxError):
        reloaded(again)
