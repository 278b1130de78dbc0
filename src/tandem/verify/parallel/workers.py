"""Runs functions in worker processes."""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path
from typing import Any, Self, TypeVar, TypeVarTuple, Unpack

from tandem import log
from tandem.errors import TandemError
from tandem.foreign.inheritance import adapt_this_process

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")
# The container's share of processor time: microseconds, or "max", and the period (cgroups v2).
_QUOTA = Path("/sys/fs/cgroup/cpu.max")


class Workers:
    """Processes that run functions. They end with the block, or with this process.

    Args:
        count: their number; None for one on each processor that this process may use.
    """

    def __init__(self, count: int | None = None) -> None:
        self._context = _Context()
        self._pool = ProcessPoolExecutor(count or processors(), mp_context=self._context, initializer=_begin)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            for process in self._context.processes:
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
            TandemError: a worker died, for example because memory is short; or a function raised an error that cannot
                be sent between processes. Other errors of functions are raised as they are.
        """
        try:
            running = [self._pool.submit(_call, function, arguments) for arguments in tasks]
            for future in as_completed(running):
                yield future.result()
        except BrokenProcessPool:
            # The pool ends the other processes by SIGTERM. Their exit codes are known after that.
            self._pool.shutdown()
            codes = (process.exitcode for process in self._context.processes)
            code = next((each for each in codes if each not in {None, 0, -signal.SIGTERM}), None)
            memory = "check with `dmesg` whether memory was short, then " if code == -signal.SIGKILL else ""
            raise TandemError(
                f"a worker process of verify died{'' if code is None else f' with exit code {code}'}",
                hint=f"{memory}run `tandem verify` again",
            ) from None


def processors(quota: Path = _QUOTA) -> int:
    """Returns how many processors this process may use.

    Its affinity and its container's quota limit them.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        limit, period = quota.read_text().split()
        return min(allowed, max(1, round(int(limit) / int(period))))
    except (OSError, ValueError):  # no limit
        return allowed


class _Context(SpawnContext):
    """Keeps the processes that it makes.

    A fork would copy connections and locks of other threads.
    """

    def __init__(self) -> None:
        super().__init__()
        self.processes: list[SpawnProcess] = []

    def Process(self, *args: Any, **kwargs: Any) -> SpawnProcess:  # type: ignore[override]
        process = SpawnProcess(*args, **kwargs)
        self.processes.append(process)
        return process


def _begin() -> None:
    """Prepares a worker."""
    # Ctrl-C goes to all processes of the terminal. The main process ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # As the command line does. This comes before the imports of the functions that run here.
    adapt_this_process()
    log.to_console()
    # Many live objects make the collector slow.
    gc.set_threshold(100_000, 50, 100)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _call(function: Callable[..., Result], arguments: tuple[Any, ...]) -> Result:
    """Returns the result of a call.

    It raises only what can be sent to another process.
    """
    try:
        return function(*arguments)
    except Exception as error:
        try:
            # We wrote it.
            pickle.loads(pickle.dumps(error))  # noqa: S301
        except Exception:
            raise TandemError(
                f"a worker process of verify failed: {type(error).__name__}: {error}",
                hint="see where with `tandem verify --debug`",
            ) from error
        raise


def _end_with_parent() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)
