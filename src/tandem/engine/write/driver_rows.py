"""Evaluates what is made of a batch's rows in the driver, without a Spark job.

A small batch costs Spark little to compute and much to plan and to schedule. So its rows are collected once. What is
made of them is declared, analyzed and optimized once, as a query over rows that are not there yet. Each batch puts its
rows in their place, and a rule of Spark's optimizer evaluates projections and filters of rows that are there.
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
        session = batch.sparkSession
        jvm: Any = session._jvm
        catalyst = jvm.org.apache.spark.sql.catalyst
        self._relation = catalyst.plans.logical.LocalRelation
        self._evaluate = catalyst.optimizer.ConvertToLocalRelation.apply
        self._varies = catalyst.trees.TreePattern.CURRENT_LIKE()
        self._list, self._seq = jvm.java.util.ArrayList, jvm.org.apache.spark.api.python.PythonUtils.toSeq
        self._wrapped = jvm.scala.collection.immutable.ArraySeq.unsafeWrapArray
        self._not_streaming = jvm.scala.Option.empty()
        self._of_rows = jvm.org.apache.spark.sql.classic.Dataset.ofRows
        self._session: SparkSession = session
        self._java_session = batch._jdf.sparkSession()
        self.declared = session.createDataFrame(session.sparkContext.emptyRDD(), batch.schema)
        self._nothing = self.declared._jdf.queryExecution().analyzed()
        self._rows = self._seq(self._list())

    def collect(self, batch: DataFrame) -> int:
        """Returns how many rows a batch has; computes it, and evaluates queries over its rows from now on."""
        self._rows = self._wrapped(batch._jdf.queryExecution().executedPlan().executeCollect())
        return int(self._rows.size())

    def query(self, declared: DataFrame) -> DriverQuery:
        """Returns a query over ``declared``, ready to be evaluated for each batch."""
        return DriverQuery(self, declared)

    def put_into(self, plan: Any) -> Any:
        """Returns a plan over ``declared`` with the batch's rows in it."""
        children = plan.children()
        if children.isEmpty():
            # Where a query has the rows several times, each of them has columns of its own.
            is_declared = plan.sameResult(self._nothing)
            return self._relation(plan.output(), self._rows, False, self._not_streaming) if is_declared else plan
        replaced = [self.put_into(children.apply(index)) for index in range(children.size())]
        return plan.withNewChildren(self._seq(self._list(replaced)))

    def evaluated(self, plan: Any) -> Any | None:
        """Returns the rows of a plan, as Spark's internal ones in a Scala sequence; None where it takes a Spark job."""
        while plan.getClass().getSimpleName() != "LocalRelation":
            before, plan = plan, self._evaluate(plan)
            if plan.fastEquals(before):
                return None
        return plan.data()

    def varies(self, plan: Any) -> bool:
        """Returns whether a plan has the current time in it."""
        return bool(plan.containsPattern(self._varies))

    def frame(self, plan: Any) -> DataFrame:
        """Returns the DataFrame of a plan."""
        return DataFrame(self._of_rows(self._java_session, plan), self._session)


class DriverQuery:
    """One query over the rows of each batch.

    Args:
        rows: of the batches.
        declared: what is made of ``rows.declared``.

    Attributes:
        declared: likewise.
    """

    def __init__(self, rows: DriverRows, declared: DataFrame) -> None:
        self.declared, self._of = declared, rows
        execution = declared._jdf.queryExecution()
        self._analyzed = execution.analyzed()
        # Optimized once, the current time would stay what it is now.
        self._optimized = None if rows.varies(self._analyzed) else execution.optimizedPlan()

    def frame(self) -> DataFrame:
        """Returns the batch's result, which a Spark job computes where it is used."""
        return self._of.frame(self._of.put_into(self._analyzed))

    def rows(self) -> Any | None:
        """Returns the batch's result as Spark's internal rows in a Scala sequence; None where it takes a Spark job."""
        return self._of.evaluated(self._of.put_into(self._optimized)) if self._optimized else None
