"""When a query's projections are compiled, and when they are interpreted."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from tandem.engine.write.compilation import FEW, FEW_IN_A_ROW, MANY, MANY_IN_ALL, Compilation

WHOLE_STAGE, PROJECTIONS = "spark.sql.codegen.wholeStage", "spark.sql.codegen.factoryMode"


class Query:
    """A session that keeps its settings, and the mode of its query."""

    def __init__(self, **given: str) -> None:
        self.found: dict[str, str] = {}
        self.changes = 0
        self._session: Any = SimpleNamespace(
            conf=SimpleNamespace(set=self._set),
            sparkContext=SimpleNamespace(
                getConf=lambda: {name.replace("_", "."): each for name, each in given.items()}
            ),
        )
        self._compilation = Compilation(self._session)

    def _set(self, name: str, value: str) -> None:
        self.found[name] = value
        self.changes += 1

    def read(self, *events: int) -> tuple[bool, bool]:
        """Returns whether whole stages and projections of the next batch are compiled, after batches of so many."""
        batch: Any = SimpleNamespace(sparkSession=self._session)
        for each in events:
            self._compilation.note(batch, each)
        return self.found[WHOLE_STAGE] == "true", self.found[PROJECTIONS] == "FALLBACK"


def test_small_batches_after_a_drain_interpret_their_projections() -> None:
    query = Query()
    assert query.read() == (False, False)
    assert query.read(MANY) == (True, True)
    few = [FEW - 1] * FEW_IN_A_ROW
    assert query.read(*few[:-1]) == (True, True)
    assert query.read(few[-1]) == (True, False)
    before = query.changes
    assert query.read(*few) == (True, False)
    assert query.changes == before


def test_one_larger_batch_lets_projections_compile_again() -> None:
    query = Query()
    query.read(MANY, *[0] * FEW_IN_A_ROW)
    assert query.read(FEW) == (True, True)
    assert query.read(0) == (True, True)


def test_small_batches_compile_whole_stages_after_many_events_in_all() -> None:
    query = Query()
    events = [FEW - 1] * (MANY_IN_ALL // (FEW - 1))
    assert query.read(*events) == (False, False)
    assert query.read(FEW - 1) == (True, False)


def test_users_may_forbid_to_compile() -> None:
    query = Query(spark_sql_codegen_wholeStage="false", spark_sql_codegen_factoryMode="NO_CODEGEN")
    assert query.read(MANY) == (False, False)
