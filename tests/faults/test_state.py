"""Backlogs, replays and a lost checkpoint."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tandem.pipelines.orders_payments.streams import FACTS
from tests.faults.arena import Arena
from tests.faults.conftest import Arenas
from tests.foreign import send_with_a_lagging_partition


@pytest.fixture(scope="module", params=["embedded", "local"])
def running(arenas: Arenas, request: pytest.FixtureRequest) -> Callable[[], Arena]:
    """One of their own: what others have sent would be processed again here, too."""
    return partial(arenas.get, request.param, "state")


@pytest.mark.on_demand("local")
def test_hours_of_backlog_are_not_late(arena: Arena) -> None:
    """One batch spans ten hours, its partitions are read in any order, and nothing of it is dropped."""
    before = arena.environment.status()["job"]["late_total"]
    with arena.frozen("job"):
        for _ in range(3):
            arena.produce("--mix", "late=0", "--span-minutes", "600", count=3000)
    arena.check()
    assert arena.environment.status()["job"]["late_total"] == before


@pytest.mark.on_demand("local")
def test_a_partition_that_lags_is_not_late(arena: Arena) -> None:
    """One partition holds what is ten hours older than the other's; a batch takes all, so neither makes it late."""
    before = arena.environment.status()["job"]["late_total"]
    with arena.frozen("job"):
        send_with_a_lagging_partition(arena.environment.bootstrap)
    arena.note("one partition ten hours behind another")
    arena.check()
    assert arena.environment.status()["job"]["late_total"] == before


def settled(arena: Arena) -> dict[str, dict[Any, bytes]]:
    """Returns what is in MongoDB when everything is, some of it new."""
    arena.produce(count=500)
    arena.check()
    return arena.environment.contents()


# CI has it in integration/test_loop.
@pytest.mark.on_demand
def test_the_last_batch_is_done_again(arena: Arena) -> None:
    """Its commit is deleted while the job is down: MongoDB stays the same byte for byte."""
    contents = settled(arena)
    arena.note("the last commit deleted")
    arena.environment.do_last_batch_again(arena.backend.checkpoint)
    arena.check()
    now = arena.environment.contents()
    for name, documents in contents.items():
        assert documents.items() <= now[name].items()


@pytest.mark.on_demand("local")
def test_all_is_processed_again_into_the_same_database(arena: Arena) -> None:
    """Without its checkpoint the job begins at the topics' beginning; what is there stays as it is."""
    contents = settled(arena)
    checkpoint = arena.backend.checkpoint
    arena.environment.tandem("down")
    for path in checkpoint.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    arena.note("the checkpoint deleted")
    arena.environment.tandem("up", "--wait")
    arena.check()
    assert arena.environment.contents()[FACTS.name].items() >= contents[FACTS.name].items()
