"""MongoDB alone: inserts of encoded facts, unordered and at majority write concern."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient, WriteConcern

from tandem.settings.connections import mongo_client
from tandem.settings.model import MongoSettings

_BULK = 10_000
_WRITERS = 2


def insert(mongo: MongoSettings, collection: str, documents: Sequence[RawBSONDocument]) -> float:
    """Returns the seconds from the first bulk to the last acknowledgement.

    Args:
        mongo: the database.
        collection: where to; with the indexes of the pipeline's own.
        documents: with ``_id``s that are not there yet.
    """
    client: MongoClient[Any]
    with MongoClient(**mongo_client(mongo)) as client, ThreadPoolExecutor(_WRITERS) as pool:
        concern = WriteConcern(w="majority", j=True)
        target = client[mongo.database].get_collection(collection, write_concern=concern)
        client.admin.command("ping")
        bulks = [documents[start : start + _BULK] for start in range(0, len(documents), _BULK)]
        began = time.perf_counter()
        for _ in pool.map(lambda bulk: target.insert_many(bulk, ordered=False), bulks):
            pass
        return time.perf_counter() - began
