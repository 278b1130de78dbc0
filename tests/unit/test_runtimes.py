import tomllib
from dataclasses import replace

import pytest

from tandem.artifacts.cache import environment_sets
from tandem.artifacts.lock import locked
from tandem.platforms.dataproc.release import release
from tandem.platforms.dataproc.requests import cluster_request
from tandem.runtimes import Runtime, runtimes
from tandem.settings.load import load
from tests import ROOT
from tests.unit.test_dataproc import CLOUD


def test_the_default_runtime_is_the_dataproc_image() -> None:
    default = runtimes().default
    assert (default.name, default.image) == ("dataproc-4.0", "4.0-debian13")
    assert (default.spark, default.java, default.python, default.scala) == ("4.2.0", "25", "3.13", "2.13")
    assert runtimes().minimum_java == 17


def test_pyspark_is_the_runtimes_spark() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["optional-dependencies"]["spark"] == [f"pyspark=={runtimes().default.spark}"]


def test_serverless_batches_have_a_runtime_of_their_own() -> None:
    row = runtimes().serverless
    assert (row.image, row.spark, row.java, row.python) == ("3.0", "4.0", "21", "3.12")
    assert row.differences({"spark": "4.0.7", "java": "21.0.8", "python": "3.12.1", "scala": "2.13.16"}) == []
    assert (runtimes().meant_by("4.0.1"), runtimes().meant_by("4.2.0")) == (row, runtimes().default)


@pytest.mark.parametrize("row", runtimes().rows.values(), ids=lambda row: row.name)
def test_every_package_is_built_for_the_runtimes_scala_and_spark(row: Runtime) -> None:
    packages = runtimes().packages[row.jars]
    assert any("spark-sql-kafka" in package for package in packages)
    for package in packages:
        group, artifact, version = package.split(":")[:3]
        if "_2." in artifact:
            assert artifact.endswith(f"_{row.scala}"), package
        if group == "org.apache.spark":
            assert f"{version}.".startswith(f"{row.spark}."), package
    assert f"{row.pyspark}.".startswith(f"{row.spark}.")


@pytest.mark.parametrize("row", runtimes().rows.values(), ids=lambda row: row.name)
def test_a_spark_before_4_2_has_a_format_of_a_joins_state_that_it_knows(row: Runtime) -> None:
    older = tuple(map(int, row.pyspark.split("."))) < (4, 2)
    assert row.spark_overrides.get("spark.sql.streaming.join.stateFormatVersion") == ("2" if older else None)


@pytest.mark.parametrize("row", runtimes().rows.values(), ids=lambda row: row.name)
def test_every_row_is_locked_with_one_connector_for_mongodb(row: Runtime) -> None:
    packages = runtimes().packages[row.jars]
    assert len([package for package in packages if "mongo-spark-connector" in package]) == 1
    assert set(packages) <= {jar.coordinates for jar in locked()[row.jars].jars}


def test_another_default_changes_image_and_jars_together(monkeypatch: pytest.MonkeyPatch) -> None:
    other = replace(runtimes(), default=runtimes().rows["dataproc-3.0"])
    for module in ("tandem.platforms.parity", "tandem.artifacts.cache"):
        monkeypatch.setattr(f"{module}.runtimes", lambda: other)
    settings = load("gcp", CLOUD)
    config = cluster_request(settings).cluster.config
    assert config.software_config.image_version == "3.0-debian13"
    assert "spark-sql-kafka-0-10_2.13-4.1.1.jar" in {jar.name for jar in release(settings).jars}
    assert environment_sets() == ("spark-4-1", "kafka")
    assert other.default.differences({"spark": "4.1.2", "java": "21.0.9", "python": "3.12.1", "scala": "2.13.1"}) == []
