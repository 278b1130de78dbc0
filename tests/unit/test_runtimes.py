import tomllib
from pathlib import Path

from tandem.runtimes import runtimes

ROOT = Path(__file__).parents[2]


def test_the_default_runtime_is_the_dataproc_image() -> None:
    default = runtimes().default
    assert (default.name, default.image) == ("dataproc-4.0", "4.0-debian13")
    assert (default.spark, default.java, default.python, default.scala) == ("4.2.0", "25", "3.13", "2.13")
    assert runtimes().minimum_java == 17


def test_pyspark_is_the_runtimes_spark() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["optional-dependencies"]["spark"] == [f"pyspark=={runtimes().default.spark}"]


def test_every_package_is_built_for_the_runtimes_scala_and_spark() -> None:
    default = runtimes().default
    for package in (package for packages in runtimes().packages.values() for package in packages):
        group, artifact, version = package.split(":")[:3]
        if "_2." in artifact:
            assert artifact.endswith(f"_{default.scala}"), package
        if group == "org.apache.spark":
            assert version == default.spark, package
