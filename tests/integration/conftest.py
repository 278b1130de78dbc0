"""The environments of the layer. A test that needs Java says so when there is none."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests import STATE
from tests.environment import Environment

# Always the same place, so that what an aborted test left running is found and ended by the next.


@pytest.fixture(scope="session", autouse=True)
def _java() -> None:
    if shutil.which("java") is None:
        pytest.skip("no java on PATH: the embedded environment needs Java 17 or newer")


@pytest.fixture(scope="module")
def running() -> Iterator[Environment]:
    """A running environment with six partitions, impatient with quiet topics, in a shell set up for another Spark.

    Its folder has a name that the locale cannot spell.
    """
    other = STATE / "another-spark" / "python"
    (other / "pyspark").mkdir(parents=True, exist_ok=True)
    (other / "pyspark" / "__init__.py").write_text("raise ImportError('another Spark')")
    extra = (
        ("TANDEM_KAFKA__PARTITIONS", "6"),
        ("TANDEM_JOB__IDLE_TIMEOUT_SECONDS", "5"),
        ("PYTHONPATH", str(other)),
        ("SPARK_HOME", str(other.parent)),
        ("SPARK_REMOTE", "sc://127.0.0.1:1"),
        ("HADOOP_CONF_DIR", str(other)),
        # Two collectors are one too many, and this heap is too small for anything.
        ("JAVA_TOOL_OPTIONS", "-XX:+UseG1GC -XX:+UseStringDeduplication -Xmx8m"),
        ("HTTP_PROXY", "http://127.0.0.1:1"),
        # Until 1937 its offset from UTC had seconds: dates must not depend on the driver's zone.
        ("LC_ALL", "C"),
        ("TZ", "Europe/Amsterdam"),
    )
    environment = Environment(STATE / "zoë", 29710, extra)
    with environment.started():
        yield environment


@pytest.fixture
def unused() -> Environment:
    """An environment in which nothing is ever started."""
    return Environment(STATE / "unused", 29720)


@pytest.fixture
def fresh() -> Iterator[Environment]:
    """An environment that nothing was started in yet."""
    with Environment(STATE / "fresh", 29720).cleared() as environment:
        yield environment
