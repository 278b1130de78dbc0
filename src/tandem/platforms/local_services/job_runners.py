"""Runs the jobs' drivers under one supervisor, independently."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import structlog

from tandem.pipeline_registry import PipelineRegistry
from tandem.settings.model import Settings
from tandem.supervision.runner import ServiceRunner
from tandem.supervision.service import Service
from tandem.supervision.state_file import StateFile
from tandem.supervision.state_folder import StateFolder

_log = structlog.get_logger(__name__)


class JobRunners:
    """Runs a driver for each registered pipeline.

    Args:
        registry: the pipelines to run.
        make: returns a pipeline's driver.
        folder: the state folder.
        states: the file of the states.
        update_again: called from any thread when another ``update`` is due.
        others: the runners of the services that drivers need.
    """

    def __init__(
        self,
        registry: PipelineRegistry,
        make: Callable[[Settings], Service],
        folder: StateFolder,
        states: StateFile,
        update_again: Callable[[], None],
        others: Sequence[ServiceRunner] = (),
    ) -> None:
        self._registry, self._make, self._update_again = registry, make, update_again
        self._folder, self._states, self._others = folder, states, others
        self._runners: dict[str, ServiceRunner] = {}
        self._leaving: dict[str, threading.Thread] = {}
        self._updating = threading.Lock()

    def update(self) -> None:
        """Starts new drivers, stops removed ones and restarts where requested.

        Returns at once.
        """
        with self._updating:
            wanted = self._registry.names()
            for name in [name for name in self._runners if name not in wanted]:
                _log.info("stopping a job", pipeline=name)
                leaving = threading.Thread(target=self._leave, args=(name, self._runners.pop(name)), daemon=True)
                self._leaving[name] = leaving
                leaving.start()
            for name in wanted:
                try:
                    self._run(name)
                except Exception:  # for example in one pipeline's files; the other jobs continue
                    _log.exception("a job cannot be started", pipeline=name)

    def stop(self, *, at_once: bool = False) -> None:
        """Stops all drivers in parallel.

        Returns when they have ended. See ``ServiceRunner.stop``.
        """
        with self._updating:
            stopping = [
                threading.Thread(target=runner.stop, kwargs={"at_once": at_once}) for runner in self._runners.values()
            ]
            for thread in stopping:
                thread.start()
            for thread in (*stopping, *list(self._leaving.values())):
                thread.join()

    def _run(self, name: str) -> None:
        if runner := self._runners.get(name):
            if self._registry.asked_restart(name):
                _log.info("restarting a job", pipeline=name)
                settings = self._registry.settings(name)
                runner.restart(self._make(settings) if settings else None)
        # Two drivers on one checkpoint would end each other.
        elif name not in self._leaving and (settings := self._registry.settings(name)):
            runner = ServiceRunner(self._make(settings), self._folder, self._states, self._others)
            self._runners[name] = runner
            runner.start()

    def _leave(self, name: str, runner: ServiceRunner) -> None:
        runner.stop()
        self._states.forget(runner.service.name)
        self._leaving.pop(name)
        self._update_again()
