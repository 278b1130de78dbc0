"""Runs parts of the bench, one after another, in an environment of its own."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tandem.errors import EnvironmentNotReadyError, UsageError
from tandem.platforms.compose.engine import find_engine
from tandem.progress_display import work_shown
from tandem.settings.load import load as load_settings
from tandem.settings.model import Settings
from tandem_bench.about import about
from tandem_bench.browser import chromium
from tandem_bench.bulk_load import load
from tandem_bench.parts import (
    cold_start,
    containers,
    dashboard_cost,
    full_windows,
    growth,
    idle,
    inner_loop,
    latency,
    nested,
    recovery,
    soak,
    state_growth,
    sustained,
    throughput,
    trickle,
    verification,
)
from tandem_bench.result import Part, Result
from tandem_bench.run_config import RunConfig
from tandem_bench.testbed import new_testbed

PARTS: Mapping[str, Callable[[RunConfig], Part]] = {
    "throughput": throughput.measure,
    "latency": latency.measure,
    "cold_start": cold_start.measure,
    "full_windows": full_windows.measure,
    "state_growth": state_growth.measure,
    "sustained": sustained.measure,
    "recovery": recovery.measure,
    "containers": containers.measure,
    "trickle": trickle.measure,
    "idle": idle.measure,
    "inner_loop": inner_loop.measure,
    "nested": nested.measure,
    "dashboard": dashboard_cost.measure,
    "growth": growth.measure,
    "verification": verification.measure,
    "soak": soak.measure,
}
# The parts of a quick run by default: together they take less than five minutes on two cores.
_SHORT = ("throughput", "latency", "cold_start")
PROFILE = "embedded"
# Each profile whose environment can be measured, by its backend.
PROFILES = {"embedded": PROFILE, "compose": "local"}
_PROJECT = "tandem-bench"
_NEEDS: Mapping[str, Callable[[], object]] = {"dashboard": lambda: chromium(), "containers": lambda: find_engine()}
_LEARNING = 20_000
_DEADLINE_S = 240.0


def chosen(names: Sequence[str], *, quick: bool) -> list[str]:
    """Returns the names of the parts to run, each once.

    By default all, or those of a quick run.

    Raises:
        UsageError: there is no such part.
    """
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        raise UsageError(f"there is no part {unknown[0]!r}", hint=f"choose from: {', '.join(PARTS)}")
    return [name for name in PARTS if name in names or not (names or (quick and name not in _SHORT))]


def able(names: Sequence[str], *, named: bool, say: Callable[[str], None]) -> list[str]:
    """Returns the parts that this machine can run.

    The dashboard needs a browser, and containers need an engine.

    Args:
        names: the names of the chosen parts.
        named: whether the user named them; otherwise parts that cannot run are skipped.
        say: prints a message for the user.

    Raises:
        EnvironmentNotReadyError: a named part cannot run.
    """
    found = list(names)
    for name, check in _NEEDS.items():
        if name not in found:
            continue
        try:
            check()
        except EnvironmentNotReadyError as error:
            if named:
                raise
            say(f"skipping the part {name}: {error}")
            found.remove(name)
    return found


def settings_of(first_port: int, backend: str = "embedded") -> Settings:
    """Returns the settings of the bench's own environments.

    They have their own state folder, Compose project and ports.

    Args:
        first_port: the first of the five ports, or in containers of six.
        backend: one of ``PROFILES``.
    """
    kafka, controller, mongo, spark, dashboard, master = range(first_port, first_port + 6)
    overrides = {
        # The peers and the records are this pipeline's.
        "pipeline": "orders_payments",
        "project": _PROJECT,
        "kafka": {"port": kafka, "controller_port": controller},
        "mongo": {"port": mongo},
        "ui": {"spark_port": spark, "dashboard_port": dashboard, "master_port": master},
    }
    settings = load_settings(PROFILES[backend], overrides)
    return settings.model_copy(update={"state_dir": settings.state_dir / "bench"})


def run(config: RunConfig, names: Sequence[str], done: Callable[[Part], None]) -> Result:
    """Returns the result of a run.

    Args:
        config: the settings of the run.
        names: the names of the parts.
        done: called with each finished part.

    Raises:
        TandemError: an environment did not start, or its result is wrong.
    """
    with _alone(config.settings):
        with new_testbed(config.settings) as testbed:
            properties = about(config.settings, testbed.tools)
            # The second driver records it.
            for _ in range(2):
                if testbed.tools.spark(config.settings).archive.recorded:
                    break
                config.say("a driver runs first: Java's archive of classes is not recorded yet")
                with testbed.driver() as driver:
                    ends = load(config.settings.kafka, config.plan(0, records=_LEARNING))
                    driver.reports.drained(ends, deadline_s=_DEADLINE_S)
        parts = []
        for name in names:
            with work_shown(f"measuring {name}"):
                parts.append(PARTS[name](config))
            done(parts[-1])
        return Result(properties, parts)


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Locks the state folder, so that no second bench stops this one."""
    folder: Path = settings.state_dir
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise EnvironmentNotReadyError(f"another bench runs in {folder}", hint="wait for it to end") from None
        yield
