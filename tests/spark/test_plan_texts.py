"""What Spark writes of each batch's plan."""

from __future__ import annotations

from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from tandem.settings.load import load

FIELDS = "spark.sql.debug.maxToStringFields"


@pytest.mark.parametrize("short", [False, True], ids=["Spark's default", "the profiles' value"])
def test_a_plan_is_written_with_one_field_of_each_list(spark: SparkSession, short: bool) -> None:
    jvm: Any = spark._jvm
    rows = spark.range(1).select(*(F.concat(F.lit(f"value {n} "), F.col("id")).alias(f"c{n}") for n in range(9)))
    if short:
        spark.conf.set(FIELDS, load("embedded").spark[FIELDS])
    try:
        text = jvm.PythonSQLUtils.explainString(rows._jdf.queryExecution(), "simple")
    finally:
        spark.conf.unset(FIELDS)
    assert "Project" in text
    assert ("value 8" in text) is not short
