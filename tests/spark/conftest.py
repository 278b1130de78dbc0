"""One local Spark session for the whole layer."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from pyspark.sql import SparkSession

from tandem.artifacts import ensure_jars
from tandem.job_files import with_limits
from tandem.settings.load import load


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    if shutil.which("java") is None:
        pytest.skip("no java on PATH: the spark layer needs Java 17 or newer")
    settings = load("embedded")
    # The session semantics of the profile, without what belongs to its connectors and checkpoints.
    carried = {name: value for name, value in settings.spark.items() if name.startswith("spark.sql.session")}
    jars = ensure_jars(settings.cache_dir, "java", ["spark"])["spark"]
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
