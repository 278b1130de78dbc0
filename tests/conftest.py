"""Options of the layers that inject faults, which `scripts/test` passes on, and the Spark session of all layers."""

from __future__ import annotations

import compileall
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers
from pyspark import SparkContext
from pyspark.sql import SparkSession

from tandem.artifacts import ensure_jars
from tandem.job_files import with_limits
from tandem.settings.load import load

TESTS = Path(__file__).resolve().parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all", action="store_true", help="also run the fault cases that CI leaves out")
    parser.addoption("--minutes", type=float, default=5.0, help="how long the nemesis works")
    parser.addoption("--seed", type=int, default=1, help="another seed, other faults at other times")


def pytest_configure(config: pytest.Config) -> None:
    # What a shell starts in the background ignores Ctrl-C, and so would the programs that tests send it to.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # Tests start Java often and use it for seconds. Without its second compiler it starts in half the time.
    os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")
    # They start Python often, too. Where a shell or an image forbids it to keep what it compiles, each start compiles.
    compileall.compile_dir(TESTS.parent / "src", quiet=2)
    # Spark would run the functions in Python by the first `python3` on PATH.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    # The same examples in every run: a failure is then one of the change that is tested. No test has a time limit.
    settings.register_profile(
        "same", derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile("same")
    # Hypothesis also tries the constants of all modules that are loaded, which depend on the tests that were chosen.
    providers.is_local_module_file = _is_never
    config.addinivalue_line("markers", "on_demand(*profiles): runs with --all only; given profiles, only there")
    config.addinivalue_line("markers", "by_name: runs only when its layer is named, not with all layers")


def _is_never(path: str) -> bool:
    del path
    return False


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    named = layers_named(config)
    left_out = [item for item in items if item.get_closest_marker("by_name") and layer_of(item.path) not in named]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
    if not config.getoption("--all"):
        for item in items:
            if any(not marker.args or profile_of(item) in marker.args for marker in item.iter_markers("on_demand")):
                item.add_marker(pytest.mark.skip(reason="not among the cases of CI: --all runs it"))


def layers_named(config: pytest.Config) -> set[str]:
    """Returns the layers that the command line names, by a folder, a file or a test in it."""
    paths = (config.invocation_params.dir / argument.partition("::")[0] for argument in config.args)
    return {layer_of(path) for path in paths} - {""}


def layer_of(path: Path) -> str:
    """Returns the folder of ``tests`` that a path is in, or is; the empty string outside of all."""
    path = path.resolve()
    return path.relative_to(TESTS).parts[0] if TESTS in path.parents else ""


def profile_of(item: pytest.Item) -> str | None:
    """Returns the profile that a test of the layers with an arena runs in."""
    callspec = getattr(item, "callspec", None)
    return callspec.params.get("running") if callspec else None


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """Yields the one local Spark session of the whole run. A second fixture would stop this one's context."""
    if shutil.which("java") is None:
        pytest.skip("no java on PATH: the spark layer needs Java 17 or newer")
    embedded = load("embedded")
    # The session semantics of the profile, without what belongs to its connectors and checkpoints.
    carried = {name: value for name, value in embedded.spark.items() if name.startswith("spark.sql.session")}
    jars = ensure_jars(embedded.cache_dir, "java", ["spark"])["spark"]
    builder = (
        SparkSession.builder.master("local[2]")
        .appName("tandem tests")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.extraClassPath", ":".join(map(str, jars)))
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.sql.warehouse.dir", str(tmp_path_factory.mktemp("warehouse")))
    )
    session = builder.config(map=with_limits(carried)).getOrCreate()
    yield session
    # State stores are maintained until Java ends. Without a session each attempt logs an error.
    session.sparkContext.setLogLevel("OFF")
    session.stop()
    # Java can hang as it exits, because RocksDB's threads still run. It would keep the output of the tests open.
    SparkContext._gateway.proc.kill()  # type: ignore[union-attr]
