"""An environment under load that faults are injected into, and the judgement of what it made of them."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pymongo.errors import PyMongoError

from tandem.engine.declare.stream import PROGRESS_COLLECTION
from tandem.pipelines.orders_payments.streams import FACTS
from tests.environment import Environment
from tests.faults.backends import Backend, send
from tests.faults.proxy import Proxy
from tests.faults.watcher import Watcher

# What has not come by then hangs; how long it took is in the table.
RECOVERY_S = 400.0


@dataclass
class Case:
    """What one test did and what came of it: a line of the published table."""

    name: str
    profile: str
    injected: list[str] = field(default_factory=list)
    recovery_s: list[float] = field(default_factory=list)
    consumed: int = 0


class Arena:
    """One running environment.

    Args:
        environment: runs already.
        backend: its programs.
        folder: for the ledgers.
        proxies: what stands between clients and ``kafka`` and ``mongo``, if anything does.
    """

    def __init__(
        self, environment: Environment, backend: Backend, folder: Path, proxies: Mapping[str, Proxy] | None = None
    ) -> None:
        self.environment, self.backend = environment, backend
        self.proxies = proxies or {}
        self.case = Case("", "")
        self._folder, self._sets = folder, 0
        self._began = time.monotonic()
        uri = f"mongodb://127.0.0.1:{environment.first_port + 2}/?directConnection=true"
        self.watcher = Watcher(uri, "ecommerce_mart")
        self.watcher.begin()

    @property
    def is_spoilt(self) -> bool:
        """Whether the newest case has done something, and it was not found that all is well afterwards."""
        return bool(self.case.injected) and not self.case.consumed

    def note(self, what: str) -> None:
        """Adds to the case's timeline, and what was found well before says nothing any more."""
        self.case.consumed = 0
        self.case.injected.append(f"{time.monotonic() - self._began:7.1f} s  {what}")

    def signal(self, service: str, number: signal.Signals, only: str = "") -> datetime:
        """Returns when the service's processes, or those of this program only, got the signal; fails without any.

        It waits for them: what an earlier fault has ended may not be back when a batch that was under way is.
        """

        def sent() -> datetime | None:
            moment = datetime.now(UTC)
            return moment if send(self.backend, service, number, only) else None

        moment: datetime = self.environment.wait(f"{only or service} to run", sent)
        self.note(f"{number.name} to {only or service}")
        return moment

    @contextmanager
    def frozen(self, service: str) -> Iterator[None]:
        """Stops the service's processes from running for as long as the block lasts."""
        self.signal(service, signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal(service, signal.SIGCONT)

    def produce(self, *arguments: str, count: int = 2000, may_fail: bool = False) -> None:
        """Sends one set of records of all classes, and moves the watermark on behind it.

        Args:
            arguments: further ones of `tandem produce`.
            count: how many events.
            may_fail: whether Kafka may be away for so long that nothing of it is sent.
        """
        self._sets += 1
        ledger = self._folder / f"set-{self._sets}"
        done = self.environment.tandem(
            *("produce", "--count", str(count), "--close", "--ledger", str(ledger), *arguments), code=None
        )
        # Without an answer from Kafka for minutes, some are left unconfirmed; then the ledger says so.
        assert done.returncode in ((0, 1, 3) if may_fail else (0, 1)), done.stderr
        assert "Traceback" not in done.stderr, done.stderr

    @contextmanager
    def load(self, rate: int = 500, count: int = 2000) -> Iterator[None]:
        """Sends set after set for as long as the block lasts, and ends with the one that was begun.

        The block begins when the job has committed a batch of it: what is done then is done under load.

        Args:
            rate: records a second.
            count: records of one set.
        """
        ended = threading.Event()
        failures: list[BaseException] = []

        def send_sets() -> None:
            while not ended.is_set():
                try:
                    self.produce("--rate", str(rate), count=count, may_fail=True)
                except (AssertionError, subprocess.TimeoutExpired) as failure:
                    failures.append(failure)
                    return

        sender = threading.Thread(target=send_sets, daemon=True)
        began = datetime.now(UTC)
        sender.start()
        try:
            self._await_batch(began)
            yield
        finally:
            ended.set()
            sender.join()
            # Without load nothing recovers: that would be told instead.
            if failures:
                raise failures[0]

    def kill_in_a_batch(self, service: str, point: Callable[[Arena, int], Callable[[], bool]]) -> None:
        """Kills a service at a point of a batch, and returns when the job has committed a batch afterwards.

        A backlog makes the batch so long that the point can be met. A kill after the batch's commit is repeated.

        Args:
            service: the service.
            point: returns the condition for the kill, given the batch's number; its name is the point's.
        """
        checkpoint = self.backend.checkpoint
        for _ in range(5):
            self.environment.wait("lag 0", self.environment.caught_up, RECOVERY_S)
            with self.frozen("job"):
                self.produce(count=20_000)
                batch = max(int(path.name) for path in (checkpoint / "offsets").glob("[0-9]*")) + 1
                met = point(self, batch)
            self.when(point.__name__, met)
            killed = self.signal(service, signal.SIGKILL)
            if not (checkpoint / "commits" / str(batch)).exists():
                self.recovered(killed)
                return
            self.note("too late: the batch was committed already")
        raise AssertionError(f"{point.__name__}: no kill came before the commit")

    def recovered(self, since: datetime) -> float:
        """Returns how many seconds after the fault a batch with records was committed; needs load."""
        self._await_batch(since)
        seconds = (datetime.now(UTC) - since).total_seconds()
        self.case.recovery_s.append(seconds)
        self.note(f"recovered after {seconds:.1f} s")
        return seconds

    def _await_batch(self, since: datetime) -> None:
        """Returns when a batch with records was committed after a moment.

        Not the newest one: a batch without records may follow within a fraction of a second.
        """
        query = {"event": "batch", "input_rows": {"$gt": 0}, "at": {"$gt": since}}
        self.environment.wait("a batch with records", lambda: self._newest(query), RECOVERY_S)

    def check(self) -> dict[str, Any]:
        """Fails unless the job catches up and every record that was ever sent is accounted for, once and unchanged."""
        self.environment.wait("lag 0", self.environment.caught_up, RECOVERY_S)
        report: dict[str, Any] = json.loads(self.environment.tandem("verify", "--json", code=None).stdout)
        assert report["ok"], {"report": report, "timeline": self.case.injected}
        assert self.watcher.problems == [], self.case.injected
        self._check_ledger(report)
        self.case.consumed = report["total"]["consumed"]
        return report

    def facts(self) -> int:
        with self.environment.database() as database:
            return int(database[FACTS.name].count_documents({}))

    def when(self, what: str, condition: Callable[[], bool], seconds: float = 60) -> None:
        """Returns as soon as the condition holds; it is asked as often as the machine can."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"{what}: not within {seconds:.0f} s"
        self.note(what)

    def pass_time(self, seconds: float) -> None:
        """Returns after so many seconds, which are the fault's own: how long it lasts, or when it comes."""
        threading.Event().wait(seconds)

    def progress(self, event: str = "batch") -> dict[str, Any] | None:
        """Returns what the job has reported of its last batch, or event; None without one or when MongoDB is away."""
        return self._newest({"event": event})

    def _newest(self, query: Mapping[str, Any]) -> dict[str, Any] | None:
        """Returns the newest of the job's reports that the query finds; None without one or when MongoDB is away."""
        try:
            with self.environment.database() as database:
                found: dict[str, Any] | None = database[PROGRESS_COLLECTION].find_one(query, sort=[("$natural", -1)])
                return found
        except PyMongoError:
            return None

    def _check_ledger(self, report: dict[str, Any]) -> None:
        """Every record that Kafka confirmed to a producer must be among those that were consumed."""
        acked = sum(
            json.loads(line)["outcome"] == "acked"
            for file in self._folder.rglob("*.jsonl")
            for line in file.read_text().splitlines()
        )
        consumed = sum(stream["consumed"] - stream["control"] for stream in report["streams"].values())
        assert consumed >= acked, f"{acked} were confirmed, {consumed} are in the topics"


def documents_are_being_written(arena: Arena, batch: int) -> Callable[[], bool]:
    """The first chunk is there, and many are not."""
    del batch
    before = arena.facts()
    return lambda: arena.facts() > before
