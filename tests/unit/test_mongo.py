"""MongoDB from the driver, without a Java process: what is asked of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from unittest.mock import MagicMock

from tandem.engine.mongo import Collection
from tests.spark.records import job_config


def test_one_client_serves_all_collections_and_every_query_of_a_process() -> None:
    spark: Any = MagicMock()
    create = spark._jvm.com.mongodb.client.MongoClients.create
    config = replace(job_config("p"), mongo_uri="mongodb://a/")
    for name in ("tandem_progress", "tandem_superseded", "tandem_progress"):
        Collection(spark, config, name)
    assert create.call_count == 1
    Collection(spark, replace(config, mongo_uri="mongodb://b/"), "tandem_progress")
    assert create.call_count == 2
