"""Stores sample documents of lookups, before events refer to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pymongo import MongoClient, ReplaceOne, WriteConcern
from pymongo.errors import PyMongoError

from tandem.catalog import PipelineLocation
from tandem.errors import EnvironmentNotReadyError
from tandem.producer.record_plan import Plan
from tandem.settings.connections import mongo_client
from tandem.settings.model import MongoSettings

# A function from the plan to the documents, each with an ``_id``, by collection.
Lookups = Mapping[str, Callable[[Plan], Iterable[dict[str, Any]]]]


def lookups_of(location: PipelineLocation) -> Lookups:
    """Returns ``LOOKUPS`` of a pipeline's module ``generator``; empty without it."""
    lookups: Lookups = getattr(location.module("generator"), "LOOKUPS", {})
    return lookups


def store_lookups(mongo: MongoSettings, lookups: Lookups, plan: Plan) -> dict[str, int]:
    """Stores the documents at majority write concern.

    Returns their number by collection.

    Args:
        mongo: MongoDB's settings.
        lookups: a pipeline's lookups.
        plan: the plan of the events.

    Raises:
        EnvironmentNotReadyError: MongoDB did not store them.
    """
    stored: dict[str, int] = {}
    if not lookups:
        return stored
    client: MongoClient[dict[str, Any]]
    try:
        with MongoClient(**mongo_client(mongo), serverSelectionTimeoutMS=10_000) as client:
            for name, documents in lookups.items():
                collection = client[mongo.database].get_collection(name, write_concern=WriteConcern("majority"))
                writes = [ReplaceOne({"_id": each["_id"]}, each, upsert=True) for each in documents(plan)]
                if writes:
                    collection.bulk_write(writes, ordered=False)
                stored[name] = len(writes)
    except PyMongoError as error:
        raise EnvironmentNotReadyError(
            f"MongoDB did not store the lookups: {type(error).__name__}", hint="check MongoDB with `tandem status`"
        ) from None
    return stored
