"""The jobs' drivers under one supervisor: each is started, restarted and stopped without a look at the others."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from tandem.pipeline_registry import PipelineRegistry
from tandem.platforms.embedded.service import Keeper
from tandem.platforms.embedded.state import Board
from tandem.settings.model import Settings

_log = structlog.get_logger(__name__)


class Drivers:
    """Keeps a driver for each pipeline that is to run.

    Args:
        registry: what is to run.
        make: makes the keeper of a pipeline's driver.
        board: where states are shown.
        look_again: called from any thread when another ``look`` is due.
    """

    def __init__(
        self,
        registry: PipelineRegistry,
        make: Callable[[Settings], Keeper],
        board: Board,
        look_again: Callable[[], None],
    ) -> None:
        self._registry, self._make, self._board, self._look_again = registry, make, board, look_again
        self._keepers: dict[str, Keeper] = {}
        self._leaving: dict[str, threading.Thread] = {}
        self._looking = threading.Lock()

    def look(self) -> None:
        """Starts what is new, stops what is gone and starts anew what was asked to; returns at once."""
        with self._looking:
            wanted = self._registry.names()
            for name in [name for name in self._keepers if name not in wanted]:
                _log.info("stopping a job", pipeline=name)
                leaving = threading.Thread(target=self._leave, args=(name, self._keepers.pop(name)), daemon=True)
                self._leaving[name] = leaving
                leaving.start()
            for name in wanted:
                try:
                    self._keep(name)
                except Exception:  # of one pipeline's files, say; the others are none the worse for it
                    _log.exception("a job cannot be started", pipeline=name)

    def stop(self, *, in_haste: bool = False) -> None:
        """Stops all at once; returns when they have ended. See ``Keeper.stop``."""
        with self._looking:
            stopping = [
                threading.Thread(target=keeper.stop, kwargs={"in_haste": in_haste}) for keeper in self._keepers.values()
            ]
            for thread in stopping:
                thread.start()
            for thread in (*stopping, *list(self._leaving.values())):
                thread.join()

    def _keep(self, name: str) -> None:
        if keeper := self._keepers.get(name):
            if self._registry.asked_restart(name):
                _log.info("restarting a job", pipeline=name)
                if settings := self._registry.settings(name):
                    keeper.program = self._make(settings).program
                threading.Thread(target=keeper.restart, daemon=True).start()
        # Two drivers on one checkpoint would end each other.
        elif name not in self._leaving and (settings := self._registry.settings(name)):
            self._keepers[name] = self._make(settings)
            self._keepers[name].start()

    def _leave(self, name: str, keeper: Keeper) -> None:
        keeper.stop()
        self._board.forget(keeper.program.name)
        self._leaving.pop(name)
        self._look_again()
