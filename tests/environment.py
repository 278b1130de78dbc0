"""An environment of its own for the tests: real Kafka, real mongod, real Spark, other ports than a user's."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psutil
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient
from tenacity import Retrying, retry_if_exception_type, retry_if_result, stop_after_delay, wait_fixed

from tandem.cli.context import CommandContext
from tandem.cli.inspect import collected
from tandem.errors import EnvironmentNotReadyError
from tandem.pipelines.orders_payments.streams import FACTS, UNMATCHED
from tandem.settings.load import load
from tandem.settings.model import Settings

_log = logging.getLogger(__name__)
# Dates before the year 1, too, which Python does not know.
_AS_STORED: CodecOptions[RawBSONDocument] = CodecOptions(
    document_class=RawBSONDocument, datetime_conversion=DatetimeConversion.DATETIME_MS
)
CLI = (sys.executable, "-m", "tandem")
# Held while the process has the variables of one environment.
_VARIABLES = threading.RLock()


@dataclass(frozen=True)
class Environment:
    """Runs the command line as a user does, with its state in ``home``."""

    home: Path
    first_port: int
    extra: tuple[tuple[str, str], ...] = ()
    profile: str = "embedded"

    @property
    def variables(self) -> dict[str, str]:
        names = (
            "KAFKA__PORT",
            "KAFKA__CONTROLLER_PORT",
            "MONGO__PORT",
            "UI__SPARK_PORT",
            "UI__MASTER_PORT",
            "UI__DASHBOARD_PORT",
        )
        ports = {f"TANDEM_{name}": str(self.first_port + i) for i, name in enumerate(names)}
        own = {"NO_COLOR": "1", "TANDEM_PROFILE": self.profile, "TANDEM_STATE_DIR": str(self.home)}
        with _VARIABLES:
            return {**os.environ, **own, **ports, **dict(self.extra)}

    def tandem(self, *arguments: str, code: int | None = 0, timeout: float = 400) -> subprocess.CompletedProcess[str]:
        """Returns the finished command; fails unless it exits with ``code``."""
        done = subprocess.run(
            [*CLI, *arguments], env=self.variables, capture_output=True, text=True, timeout=timeout, check=False
        )
        if code is None and done.returncode:
            # Shown where the test fails later.
            _log.warning("%s: exit %d\n%s", arguments, done.returncode, done.stderr)
        if code is not None:
            assert done.returncode == code, f"{arguments}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    @contextmanager
    def started(self) -> Iterator[Environment]:
        """Yields the environment, empty and running; afterwards it is as if it had never been."""
        with self.cleared():
            up = self.tandem("up", "--wait", code=None, timeout=1500)
            # What the services said is gone with them afterwards.
            assert up.returncode == 0, f"{up.stderr}\n{self.tandem('logs', code=None).stdout[-8000:]}"
            yield self

    @contextmanager
    def cleared(self) -> Iterator[Environment]:
        """Yields the environment, in which nothing runs, without data; afterwards it is so again."""
        self.clear()
        try:
            yield self
        finally:
            try:
                self.clear()
            except Exception as error:
                # Shown where the test fails later.
                _log.warning("not cleared: %s", error)

    def clear(self) -> None:
        """Does what ``tandem down --volumes`` does.

        Every test with local processes does it twice, and each start of Python would take more than a second.
        """
        if self.profile == "embedded":
            with self._entered():
                CommandContext(announces=False).environment.stop(volumes=True)
        else:
            self.tandem("down", "--volumes")

    def do_last_batch_again(self, checkpoint: Path | None = None) -> None:
        """Stops, deletes the last commit as if it had not come to it, starts, and returns when the batch is done again.

        The job is ready before: it knows that it has read everything.

        Args:
            checkpoint: where it is; None for that of the embedded profile.
        """
        self.tandem("down")
        commits = (checkpoint or self.home / "embedded" / "checkpoint" / "orders_payments") / "commits"
        last = max(int(path.name) for path in commits.iterdir() if path.name.isdigit())
        for name in (str(last), f".{last}.crc"):
            (commits / name).unlink(missing_ok=True)
        self.tandem("up", "--wait")
        # Or a later one, which Spark commits after it: it keeps only some, and on a slow machine this one may be gone.
        self.wait("the batch done again", lambda: any(int(path.name) >= last for path in commits.glob("[0-9]*")))

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Returns the running command, in a process group of its own."""
        return subprocess.Popen(
            [*CLI, *arguments],
            env=self.variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def status(self) -> dict[str, Any]:
        """Returns what ``tandem status --json`` prints.

        It is asked again and again while the job works, and each start of Python would take a second of its processors.
        """
        with self._entered():
            answer: dict[str, Any] = json.loads(json.dumps(collected(CommandContext(announces=False))))
        return answer

    @contextmanager
    def _entered(self) -> Iterator[None]:
        """Gives this process the environment's variables while the block runs."""
        variables = self.variables
        with _VARIABLES, patch.dict(os.environ, variables, clear=True):
            yield

    def caught_up(self) -> bool:
        """Returns whether the job has committed all that is in the topics."""
        status = self.status()
        return bool(status["ready"]) and status["job"]["lag"] == 0

    def wait(self, what: str, condition: Any, seconds: float = 120) -> Any:
        """Returns the first true answer of ``condition()``, or fails naming what was awaited.

        An engine or a service that does not answer in time, as after a fault, is asked again.
        """
        retrying = Retrying(
            retry=retry_if_result(lambda answer: not answer) | retry_if_exception_type(EnvironmentNotReadyError),
            stop=stop_after_delay(seconds),
            wait=wait_fixed(0.3),
            retry_error_callback=lambda _: None,
        )
        answer = retrying(condition)
        if not answer:
            status, log = (self.tandem(*about, code=None).stdout for about in (("status", "--json"), ("logs", "job")))
            raise AssertionError(f"{what}: not within {seconds:.0f} s\n{status}\n{log[-4000:]}")
        return answer

    @property
    def settings(self) -> Settings:
        """What the commands see."""
        kafka, controller, mongo, spark, master, dashboard = range(self.first_port, self.first_port + 6)
        ports = {
            "kafka": {"port": kafka, "controller_port": controller},
            "mongo": {"port": mongo},
            "ui": {"spark_port": spark, "master_port": master, "dashboard_port": dashboard},
        }
        return load(self.profile, {**ports, "state_dir": self.home})

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.first_port}"

    @contextmanager
    def database(self) -> Iterator[Any]:
        with MongoClient(f"mongodb://127.0.0.1:{self.first_port + 2}/?directConnection=true") as client:
            yield client["ecommerce_mart"]

    def contents(self) -> dict[str, dict[Any, bytes]]:
        """Returns each collection's documents as MongoDB stores them, byte for byte, by ``_id``."""
        with self.database() as database:
            collections = {
                name: database.get_collection(name, codec_options=_AS_STORED) for name in (FACTS.name, UNMATCHED.name)
            }
            return {
                name: {document["_id"]: document.raw for document in collection.find()}
                for name, collection in collections.items()
            }

    def processes(self) -> list[psutil.Process]:
        """Returns all running processes that belong to this environment."""
        mark = str(self.home)
        found = []
        for process in psutil.process_iter():
            try:
                belongs = process.environ().get("TANDEM_STATE_DIR") == mark or mark in " ".join(process.cmdline())
                if belongs and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return found
