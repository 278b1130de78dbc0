"""The examples in the docstrings of what a pipeline imports print what they show."""

import doctest
from types import ModuleType

import pytest
from pyspark.sql import SparkSession

from tandem.engine.declare import collection, field_type, pipeline, stream
from tandem.engine.declare.field_type import FieldType
from tandem.engine.join import interval_join
from tandem.engine.read import document_id


@pytest.mark.parametrize(
    "module", [collection, document_id, field_type, interval_join, pipeline, stream], ids=lambda each: each.__name__
)
def test_the_examples_print_what_they_show(module: ModuleType, spark: SparkSession) -> None:
    found = doctest.testmod(module, extraglobs={"spark": spark, "FieldType": FieldType})
    assert (found.failed, found.attempted > 0) == (0, True)


def test_a_wrong_example_is_found(spark: SparkSession, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = ModuleType("wrong")
    wrong.__doc__ = ">>> spark.range(1).count()\n2\n"
    assert doctest.testmod(wrong, extraglobs={"spark": spark}).failed == 1
    assert "Got:" in capsys.readouterr().out
