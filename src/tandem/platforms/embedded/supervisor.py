"""The one background process of the embedded platform: starts the services, keeps them running, stops them.

``python -m tandem.platforms.embedded.supervisor --settings FILE``; SIGTERM and SIGINT stop all, SIGUSR1 lets it look
which pipelines' jobs are to run.
"""

from __future__ import annotations

import argparse
import os
import signal
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

import structlog

from tandem import log
from tandem.engine.spark.log import TEXT
from tandem.errors import EnvironmentNotReadyError, TandemError
from tandem.pipeline_registry import PipelineRegistry
from tandem.platforms.embedded import dashboard, job, kafka, mongod
from tandem.platforms.embedded.drivers import Drivers
from tandem.platforms.embedded.layout import Layout
from tandem.platforms.embedded.prepare import Tools, prepare
from tandem.platforms.embedded.process import forget, identify, remember, rotate
from tandem.platforms.embedded.service import Keeper
from tandem.platforms.embedded.state import Board
from tandem.settings.model import Settings

LOOK = signal.SIGUSR1
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Cast:
    """What one kind of environment consists of.

    Attributes:
        layout: given the settings, where it keeps what.
        prepare: finds what is needed; the caller owns the layout's lock.
        keepers: makes one for each service, in the order in which they are stopped; started in the reverse order.
        driver: makes the one of a pipeline's job, given those; None where jobs run elsewhere.
    """

    layout: Callable[[Settings], Layout]
    prepare: Callable[[Settings, Layout], Tools]
    keepers: Callable[[Settings, Tools, Layout, Board], Sequence[Keeper]]
    driver: Callable[[Settings, Tools, Layout, Board, Sequence[Keeper]], Keeper] | None = None


def run(settings: Settings, cast: Cast) -> int:
    """Runs everything until a signal ends it; returns the exit code. Only one such process owns a state folder.

    Raises:
        TandemError: it cannot start.
    """
    layout = cast.layout(settings)
    # A signal handler must not take a lock that the interrupted code may hold; this queue is made for that.
    signals: SimpleQueue[int] = SimpleQueue()
    for number in (signal.SIGTERM, signal.SIGINT, LOOK):
        signal.signal(number, lambda received, _frame: signals.put(received))
    layout.create()
    with layout.locked() as lock:
        if lock is None:
            _log.info("already running", home=str(layout.home))
            return 0
        tools = cast.prepare(settings, layout)
        board = Board(layout.state, layout.services)
        identity = identify(os.getpid())
        remember(layout.pid("supervisor"), identity)
        try:
            _supervise(cast, settings, tools, layout, board, signals, lock)
        finally:
            forget(layout.pid("supervisor"), identity)
    return 0


def keepers(settings: Settings, tools: Tools, layout: Layout, board: Board) -> Sequence[Keeper]:
    """Returns the keepers of Kafka, MongoDB and the dashboard."""
    broker = Keeper(kafka.program(settings, tools, layout), layout, board)
    database = Keeper(mongod.program(settings, tools.mongod, layout), layout, board)
    # Together with the drivers, whose start takes longer: so it delays nothing.
    page = Keeper(dashboard.program(settings, layout), layout, board, needs=(broker, database))
    # In this order nothing loses what it writes to before it has stopped.
    return (page, database, broker)


def driver(settings: Settings, tools: Tools, layout: Layout, board: Board, keepers: Sequence[Keeper]) -> Keeper:
    """Returns the keeper of a pipeline's driver."""
    _, *needs = keepers
    return Keeper(job.program(settings, tools, layout), layout, board, needs=needs)


def _supervise(
    cast: Cast,
    settings: Settings,
    tools: Tools,
    layout: Layout,
    board: Board,
    signals: SimpleQueue[int],
    lock: int,
) -> None:
    keepers, make = cast.keepers(settings, tools, layout, board), cast.driver
    drivers = make and Drivers(
        PipelineRegistry(layout.pipelines),
        lambda each: make(each, tools, layout, board, keepers),
        board,
        lambda: signals.put(LOOK),
    )
    with ExitStack() as stopping:
        # Whatever ends this process, and whatever does not stop: the others are stopped, the last one started first.
        for keeper in reversed(keepers):
            keeper.start()
            stopping.callback(keeper.stop)
        if drivers:
            stopping.callback(drivers.stop)
        stopping.callback(_log.info, "stopping")
        signals.put(LOOK)
        while (heard := _next(signals)) in (None, LOOK):
            if heard and drivers:
                drivers.look()
            if not layout.is_mine(lock):
                _log.error("the state folder was removed: everything is stopped", home=str(layout.home))
                board.close()
                _stop_in_haste(keepers, drivers)
                break
            for log_file in layout.logs():
                rotate(log_file)
    _log.info("stopped")


def _stop_in_haste(keepers: Sequence[Keeper], drivers: Drivers | None) -> None:
    """Stops all at the same time: what they write to is gone, and their ports are wanted by the next environment."""
    stops = [keeper.stop for keeper in keepers] + ([drivers.stop] if drivers else [])
    threads = [threading.Thread(target=stop, kwargs={"in_haste": True}) for stop in stops]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _next(signals: SimpleQueue[int]) -> int | None:
    """Returns the next signal, or None after a second.

    Python runs a handler before it waits or when a wait is interrupted. What comes in between would wait for the next.
    """
    try:
        return signals.get(timeout=1)
    except Empty:
        return None


def main(cast: Cast) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tandem.platforms.embedded.supervisor", description="Runs the services."
    )
    parser.add_argument(
        "--settings", type=Path, required=True, help="a file with all settings, as `tandem up` writes it"
    )
    arguments = parser.parse_args()
    log.to_stderr(TEXT)
    try:
        return run(Settings.model_validate_json(arguments.settings.read_text("utf-8")), cast)
    except TandemError as error:
        kind = "environment" if isinstance(error, EnvironmentNotReadyError) else "settings"
        _log.error("cannot start", kind=kind, error=str(error), hint=error.hint)
        return error.exit_code


if __name__ == "__main__":
    raise SystemExit(main(Cast(lambda settings: Layout(settings.home), prepare, keepers, driver)))
