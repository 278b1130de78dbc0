"""Calling a function again and again from a thread, as for the heartbeat and the control records."""

from __future__ import annotations

import threading

from tandem.engine.run.repeated_call import RepeatedCall


def test_it_calls_until_it_is_stopped() -> None:
    called = threading.Semaphore(0)
    calls = RepeatedCall("calls", 0.01, called.release)
    calls.start()
    assert all(called.acquire(timeout=10) for _ in range(3))
    calls.stop()
    while called.acquire(blocking=False):
        """Takes the calls before the stop."""
    assert not called.acquire(timeout=0.1)


def test_a_stop_waits_for_a_call_that_has_begun() -> None:
    began, may_end, ended = threading.Event(), threading.Event(), threading.Event()

    def call() -> None:
        began.set()
        may_end.wait(10)
        ended.set()

    calls = RepeatedCall("calls", 0.01, call)
    calls.start()
    assert began.wait(10)
    calls.stop(deadline_s=0)
    # The control: without waiting, the call has not ended.
    assert not ended.is_set()
    may_end.set()
    calls.stop(deadline_s=None)
    assert ended.is_set()
