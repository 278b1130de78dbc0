"""Evaluates queries over a batch's rows in the driver, without a Spark job.

For a small batch, planning and scheduling cost more than computing. So the rows of a batch are collected once. Queries
over a placeholder are declared, analyzed and optimized once for all batches. For each batch, its rows replace the
placeholder, and a rule of Spark's optimizer evaluates projections and filters in the driver.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from pyspark.sql import DataFrame


class Chain(NamedTuple):
    """A plan whose nodes have one child each.

    It is taken apart once, because each call to Java takes time.

    Attributes:
        columns: the placeholder's columns in this plan.
        nodes: the nodes above the placeholder, the lowest first.
    """

    columns: Any
    nodes: list[Any]


class DriverRows:
    """The rows of the last collected batch.

    Args:
        batch: a batch of the query; only its schema is used.

    Attributes:
        placeholder: an empty DataFrame of that schema; declare queries over it.
        rows: the rows as a Scala sequence of Spark's internal rows.
        no_rows: an empty sequence of that type.
    """

    def __init__(self, batch: DataFrame) -> None:
        session = batch.sparkSession
        jvm: Any = session._jvm
        catalyst = jvm.org.apache.spark.sql.catalyst
        self._local_relation = catalyst.plans.logical.LocalRelation
        self._evaluate = catalyst.optimizer.ConvertToLocalRelation.apply
        patterns = catalyst.trees.TreePattern
        # The current time, subqueries and random values change with each batch, so they cannot be planned once.
        self._changing = (
            patterns.CURRENT_LIKE(),
            patterns.PLAN_EXPRESSION(),
            patterns.EXPRESSION_WITH_RANDOM_SEED(),
        )
        self._list, self._seq = jvm.java.util.ArrayList, jvm.org.apache.spark.api.python.PythonUtils.toSeq
        self._wrapped = jvm.scala.collection.immutable.ArraySeq.unsafeWrapArray
        self._not_streaming = jvm.scala.Option.empty()
        self._of_rows, self._java_session = jvm.org.apache.spark.sql.classic.Dataset.ofRows, batch._jdf.sparkSession()
        self._session = session
        self.placeholder = session.createDataFrame(session.sparkContext.emptyRDD(), batch.schema)
        self._placeholder_plan = self.placeholder._jdf.queryExecution().analyzed()
        self.no_rows = self._seq(self._list())
        self.clear()

    def collect(self, batch: DataFrame) -> int:
        """Computes a batch and keeps its rows for all queries; returns their number."""
        self.rows = self._wrapped(batch._jdf.queryExecution().executedPlan().executeCollect())
        return int(self.rows.size())

    def clear(self) -> None:
        """Drops the rows, so that they use no memory until the next batch."""
        self.rows = self.no_rows

    def with_rows(self, plan: Any, rows: Any) -> Any:
        """Returns a plan in which these rows replace the placeholder."""
        children = plan.children()
        if children.isEmpty():
            # A query may use the rows several times, each time with columns of its own.
            if plan.sameResult(self._placeholder_plan):
                return self._local_relation(plan.output(), rows, False, self._not_streaming)
            return plan
        replaced = [self.with_rows(children.apply(index), rows) for index in range(children.size())]
        return plan.withNewChildren(self._seq(self._list(replaced)))

    def chain(self, plan: Any) -> Chain | None:
        """Returns the plan as a chain of nodes.

        None if a node has several children, or if the plan does not read the placeholder.
        """
        nodes = []
        while not (children := plan.children()).isEmpty():
            if children.size() > 1:
                return None
            nodes.append(plan)
            plan = children.apply(0)
        return Chain(plan.output(), nodes[::-1]) if plan.sameResult(self._placeholder_plan) else None

    def evaluated_chain(self, chain: Chain) -> Any:
        """Returns the result of a chain that the driver can evaluate, as ``evaluated``."""
        relation = self._local_relation(chain.columns, self.rows, False, self._not_streaming)
        for node in chain.nodes:
            relation = self._evaluate(node.withNewChildren(self._seq([relation])))
        return relation.data()

    def evaluated(self, plan: Any) -> Any | None:
        """Returns a plan's result as a Scala sequence of internal rows.

        None if it needs a Spark job.
        """
        while plan.getClass().getSimpleName() != "LocalRelation":
            before, plan = plan, self._evaluate(plan)
            if plan.fastEquals(before):
                return None
        return plan.data()

    def changes(self, plan: Any) -> bool:
        """Returns whether a plan must be made again for each batch."""
        return any(plan.containsPattern(pattern) for pattern in self._changing)

    def frame(self, plan: Any) -> DataFrame:
        """Returns the DataFrame of a plan."""
        return DataFrame(self._of_rows(self._java_session, plan), self._session)


class DriverQuery:
    """One query over the rows of each batch.

    Args:
        source: the rows.
        declared: the query, made of ``source.placeholder``.

    Attributes:
        declared: the query.
        needs_a_job: whether the driver cannot evaluate the query; this does not depend on the rows.
    """

    def __init__(self, source: DriverRows, declared: DataFrame) -> None:
        self.declared, self._source = declared, source
        execution = declared._jdf.queryExecution()
        self._analyzed, self._optimized = execution.analyzed(), execution.optimizedPlan()
        self.needs_a_job = source.changes(self._analyzed) or self._evaluated(source.no_rows) is None
        self._chain = None if self.needs_a_job else source.chain(self._optimized)

    def rows(self) -> Any:
        """Returns the result as a Scala sequence of Spark's internal rows."""
        if self._chain:
            return self._source.evaluated_chain(self._chain)
        rows = self._evaluated(self._source.rows)
        if rows is None:
            raise AssertionError("the driver cannot evaluate this query")
        return rows

    def frame(self) -> DataFrame:
        """Returns the result as a DataFrame."""
        return self._source.frame(self._source.with_rows(self._analyzed, self._source.rows))

    def _evaluated(self, rows: Any) -> Any | None:
        return self._source.evaluated(self._source.with_rows(self._optimized, rows))
