"""Many records, divided into parts, get the same verdict as all of them at once."""

from __future__ import annotations

import inspect
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from bson.objectid import ObjectId

from tandem.catalog import declared_by, find
from tandem.engine.declare.collection import Collection
from tandem.pipelines.orders_payments.streams import DEAD_LETTER_TOPIC, FACTS
from tandem.verify.intake import unknown_schema_keys
from tandem.verify.report import Report
from tests.parts import InMemory, Stored, in_order, report_in_parts
from tests.unit import test_verify_compare as in_one

registered = in_one.registered


class DividedWorld(in_one.World):
    """A world that is verified in parts."""

    def report(self) -> Report:
        streams = (in_one.ORDERS, in_one.PAYMENTS)
        topics = dict(zip((stream.topic for stream in streams), (self.orders, self.payments), strict=True))
        location = find("orders_payments", Path("pipelines"))
        collections = tuple(Collection(name) for name in self.documents)
        declared = replace(declared_by(location), streams=streams, collections=collections)
        with patch("tandem.verify.parallel.work.declared_by", lambda _: declared):
            return report_in_parts(
                location,
                InMemory({**topics, DEAD_LETTER_TOPIC: in_order(self.letters)}, Stored(self.documents)),
                list(topics),
                DEAD_LETTER_TOPIC,
                {"match_window_seconds": 1800},
                coverage=self.coverage,
                dropped=self.dropped,
                unknown_then=frozenset(unknown_schema_keys(self.letters)),
            )


@pytest.fixture
def world() -> in_one.World:
    return DividedWorld()


# Every test of the comparison of a world, here of a divided one. One expects another kind of difference.
for _name, _test in list(vars(in_one).items()):
    if not _name.startswith("test_") or _test is in_one.test_fact_under_a_second_id:
        continue
    if {"world", "registered"} & inspect.signature(_test).parameters.keys():
        globals()[_name] = _test


@pytest.mark.parametrize("identity", [ObjectId(), 5, {"a": 1}, "another"])
def test_a_copy_that_names_no_event_is_invented(world: in_one.World, identity: Any) -> None:
    world.documents[FACTS.name].append({**world.fact, "_id": identity})
    assert in_one.found(world.report()) == {("invented", FACTS.name): 1}
