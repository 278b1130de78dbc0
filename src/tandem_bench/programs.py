"""Runs the programs that the job is compared with, each in its own process group."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Timer
from typing import IO, Any

from tandem.errors import TandemError
from tandem.foreign import inherited
from tandem.job_files import driver_arguments
from tandem.local_spark.local_spark import configure
from tandem.supervision.logs import error_summary
from tandem_bench.testbed import Testbed, ignoring_interrupts

_FOLDER = Path(__file__).parent
_DEADLINE_S = 3600.0


class Program:
    """A running program that prints JSON, one object a line. Made by ``running``."""

    def __init__(self, name: str, process: subprocess.Popen[str], log: Path) -> None:
        self._name, self._process, self._log = name, process, log
        self._output: IO[str] = process.stdout  # type: ignore[assignment]  # it is a pipe

    def answer(self) -> dict[str, Any]:
        """Returns the next object that it prints.

        Raises:
            TandemError: it ended without one, or was killed after an hour.
        """
        watchdog = Timer(_DEADLINE_S, self._process.kill)
        watchdog.start()
        try:
            for line in self._output:
                with suppress(ValueError):
                    document = json.loads(line)
                    if isinstance(document, dict):
                        return document
        finally:
            watchdog.cancel()
        code = self._process.wait()
        raise TandemError(
            f"{self._name} ended with exit code {code}: {error_summary(self._log)}", hint=f"look at {self._log}"
        )


@contextmanager
def running(
    name: str,
    arguments: Sequence[str],
    testbed: Testbed,
    env: Mapping[str, str] | None = None,
    *,
    own_packages: bool = True,
) -> Iterator[Program]:
    """Yields a running program of this package; kills it and its children afterwards.

    Args:
        name: ``peers/<file>``, without an extension.
        arguments: its arguments.
        testbed: the testbed, which gets its log.
        env: its whole environment; None for this process's.
        own_packages: whether it sees the packages of this environment; otherwise only its ``PYTHONPATH``.
    """
    log = testbed.layout.log(name.rpartition("/")[2])
    # -S leaves out site-packages. Two folders with packages of one namespace, like Google's, would be mixed.
    python = (sys.executable,) if own_packages else (sys.executable, "-S")
    with log.open("wb") as errors:
        process = subprocess.Popen(
            (*python, str(_FOLDER / f"{name}.py"), *arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=inherited() if env is None else dict(env),
            cwd=testbed.layout.scratch,
            text=True,
            start_new_session=True,
        )
    try:
        yield Program(name, process, log)
    finally:
        with ignoring_interrupts():
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def run(
    name: str,
    arguments: Sequence[str],
    testbed: Testbed,
    env: Mapping[str, str] | None = None,
    *,
    own_packages: bool = True,
) -> dict[str, Any]:
    """Returns a program's output; see ``running``."""
    with running(name, arguments, testbed, env, own_packages=own_packages) as program:
        return program.answer()


@contextmanager
def running_on_spark(
    name: str, arguments: Sequence[str], testbed: Testbed, packages: Path | None = None
) -> Iterator[Program]:
    """Yields a Spark driver with the job's settings and class path; see ``running``.

    Args:
        name: as for ``running``.
        arguments: its arguments, after ``--config FILE`` as for the job.
        testbed: Kafka and MongoDB.
        packages: a folder of further Python packages.
    """
    folder = testbed.layout.conf / name.rpartition("/")[2]
    configure(testbed.settings, folder, testbed.layout.home)
    env = testbed.tools.spark(testbed.settings).prepare(testbed.settings, folder)
    if packages:
        env["PYTHONPATH"] = os.pathsep.join(filter(None, (str(packages), env.get("PYTHONPATH"))))
    with running(name, (*driver_arguments(folder), *arguments), testbed, env) as program:
        yield program
