"""MongoDB from the driver, without a Java process: what is asked of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from unittest.mock import MagicMock

from tandem.engine.declare.job_config import MongoConfig
from tandem.engine.spark.mongo_client import MongoCollection, pages
from tests.spark.records import job_config


def test_one_client_serves_all_collections_and_every_query_of_a_process() -> None:
    spark: Any = MagicMock()
    create = spark._jvm.com.mongodb.client.MongoClients.create
    config = replace(job_config("p"), mongo=MongoConfig("mongodb://a/", ""))
    for name in ("tandem_progress", "tandem_superseded", "tandem_progress"):
        MongoCollection(spark, config, name)
    assert create.call_count == 1
    MongoCollection(spark, replace(config, mongo=MongoConfig("mongodb://b/", "")), "tandem_progress")
    assert create.call_count == 2


def test_a_request_names_as_many_ids_as_mongodb_takes() -> None:
    ids = [f"order|{number}" for number in range(25_000)]
    found = list(pages(ids))
    assert [len(page) for page in found] == [10_000, 10_000, 5_000]
    assert [each for page in found for each in page] == ids
    # Of long ones fewer, and one that is as long as a record may be stands alone.
    long = "x" * 2**19
    assert [len(page) for page in pages([long, long, "a", long * 4, "b"])] == [2, 1, 1, 1]
    assert list(pages([])) == []


def test_a_prepared_query_asks_each_time() -> None:
    spark: Any = MagicMock()
    notes = MongoCollection(spark, replace(job_config("p"), mongo=MongoConfig("mongodb://c/", "")), "notes")
    find = vars(notes)["_collection"].find
    find.return_value.first.side_effect = [None, "a note", None]
    is_there = notes.presence_of({"collection": "unmatched"})
    assert [is_there() for _ in range(3)] == [False, True, False]
    assert find.call_count == 1
