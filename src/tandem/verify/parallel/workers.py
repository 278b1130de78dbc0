"""Runs functions in worker processes."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Self, TypeVar, TypeVarTuple, Unpack

from tandem.errors import TandemError

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")


class Workers:
    """Processes that run functions. They end with the block, or with this process.

    Args:
        count: their number; None for one on each processor.
    """

    def __init__(self, count: int | None = None) -> None:
        self._others = set(multiprocessing.active_children())
        # A fork would copy connections and locks of other threads.
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(count or os.cpu_count(), mp_context=context, initializer=_begin)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            for process in set(multiprocessing.active_children()) - self._others:
                process.kill()
        self._pool.shutdown(cancel_futures=True)

    def each(
        self, function: Callable[[Unpack[Arguments]], Result], tasks: Iterable[tuple[*Arguments]]
    ) -> Iterator[Result]:
        """Yields the result of each call as soon as there is one.

        Args:
            function: a function that other processes can import.
            tasks: the arguments of each call.

        Raises:
            TandemError: a worker died, for example because memory is short. Or what a function raised.
        """
        try:
            running = [self._pool.submit(function, *arguments) for arguments in tasks]
            for future in as_completed(running):
                yield future.result()
        except BrokenProcessPool:
            raise TandemError(
                "a worker process of verify died",
                hint="check with `dmesg` whether memory was short, then run `tandem verify` again",
            ) from None


def _begin() -> None:
    """Prepares a worker."""
    # Ctrl-C goes to all processes of the terminal. The main process ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Many live objects make the collector slow.
    gc.set_threshold(100_000, 50, 100)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)
