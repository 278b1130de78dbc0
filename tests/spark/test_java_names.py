"""Java is asked once what a name means."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from py4j.java_gateway import JavaPackage, JVMView
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from tandem.engine.spark.jvm import remember_java_names


@pytest.fixture
def asked(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The names that Java was asked for."""
    names: list[str] = []

    def listening(ask: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
        def heard(self: Any, name: str) -> Any:
            names.append(name)
            return ask(self, name)

        return heard

    for asks in (JVMView, JavaPackage):
        monkeypatch.setattr(asks, "__getattr__", listening(asks.__getattr__))
    view: Any = spark._jvm
    before = dict(vars(view))
    yield names
    vars(view).clear()
    vars(view).update(before)


def test_a_name_is_asked_for_each_time_unless_it_is_remembered(spark: SparkSession, asked: list[str]) -> None:
    F.upper("a"), F.upper("a")
    assert asked.count("org.apache.spark.sql.functions") > 1


def test_a_name_is_asked_for_once(spark: SparkSession, asked: list[str]) -> None:
    remember_java_names()
    remember_java_names()
    jvm: Any = spark._jvm
    for _ in range(3):
        F.upper("a")
        assert jvm.org.apache.hadoop.fs.Path("/a").getName() == "a"
        assert jvm.java.lang.Math.max(1, 2) == 2
    assert len(asked) == len(set(asked)) > 5


def test_what_java_does_not_know_stays_an_error(spark: SparkSession, asked: list[str]) -> None:
    remember_java_names()
    jvm: Any = spark._jvm
    for _ in range(2):
        with pytest.raises(TypeError, match="not callable"):
            jvm.org.example.Nothing()
