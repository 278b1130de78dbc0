"""Reports regularly that the job is alive."""

from __future__ import annotations

import threading

from tandem.engine.run.job_progress import ProgressReporter


class Heartbeat:
    """Reports from its own thread that the job is alive, also during a long batch.

    Args:
        reporter: the reporter.
    """

    def __init__(self, reporter: ProgressReporter) -> None:
        self._reporter = reporter
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stops the thread; waits up to ten seconds for a report that it is writing."""
        self._ended.set()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        while not self._ended.wait(1):
            self._reporter.report_if_silent()
