"""Evaluates what is made of a batch's rows in the driver, without a Spark job.

A small batch costs Spark little to compute and much to plan and to schedule. So its rows are collected once. What is
made of them is declared once, as a query over rows that are not there yet. Each batch puts its rows in their place, and
Spark's optimizer evaluates projections and filters of local rows by itself.
"""

from __future__ import annotations

from typing import Any

from pyspark.sql import DataFrame, SparkSession


class DriverRows:
    """The rows of one query's batches, one batch after another.

    Args:
        batch: a batch of the query; only its schema is used.

    Attributes:
        declared: a DataFrame of that schema without rows, to declare queries over.
    """

    def __init__(self, batch: DataFrame) -> None:
        self._session: SparkSession = batch.sparkSession
        self._java_session = batch._jdf.sparkSession()
        jvm: Any = self._session._jvm
        self._java, self._sql = jvm.java.util, jvm.org.apache.spark.sql
        self._seq = jvm.org.apache.spark.api.python.PythonUtils.toSeq
        self._wrapped = jvm.scala.collection.immutable.ArraySeq.unsafeWrapArray
        self._output, self._not_streaming = batch._jdf.queryExecution().analyzed().output(), jvm.scala.Option.empty()
        self._rows = self._none = self._relation(self._seq(self._java.ArrayList()))
        self.declared = self._frame(self._none)

    def collect(self, batch: DataFrame) -> int:
        """Returns how many rows a batch has; computes it, and evaluates queries over its rows from now on."""
        rows = self._wrapped(batch._jdf.queryExecution().executedPlan().executeCollect())
        self._rows = self._relation(rows)
        return int(rows.size())

    def evaluated(self, query: DataFrame) -> DataFrame:
        """Returns a query over ``declared`` with the batch's rows in it."""
        return self._frame(self._with_rows(query._jdf.queryExecution().analyzed()))

    def _relation(self, rows: Any) -> Any:
        return self._sql.catalyst.plans.logical.LocalRelation(self._output, rows, False, self._not_streaming)

    def _with_rows(self, plan: Any) -> Any:
        children = plan.children()
        if children.isEmpty():
            return self._rows if plan.equals(self._none) else plan
        replaced = [self._with_rows(children.apply(index)) for index in range(children.size())]
        return plan.withNewChildren(self._seq(self._java.ArrayList(replaced)))

    def _frame(self, plan: Any) -> DataFrame:
        return DataFrame(self._sql.classic.Dataset.ofRows(self._java_session, plan), self._session)


def local_rows(query: DataFrame) -> Any | None:
    """Returns the rows of an evaluated query as Spark's internal ones; None where a Spark job must compute them."""
    plan = query._jdf.queryExecution().optimizedPlan()
    return plan.data() if plan.getClass().getSimpleName() == "LocalRelation" else None
