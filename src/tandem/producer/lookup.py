"""Stores sample documents of lookups, before events are sent that look them up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pymongo import MongoClient, ReplaceOne, WriteConcern
from pymongo.errors import PyMongoError

from tandem.catalog import PipelineLocation
from tandem.errors import EnvironmentNotReadyError
from tandem.producer.plan import Plan
from tandem.settings.connections import mongo_client
from tandem.settings.model import MongoSettings

# By collection, a function from the plan to its documents, each with an ``_id``.
Lookups = Mapping[str, Callable[[Plan], Iterable[dict[str, Any]]]]


def lookups_of(location: PipelineLocation) -> Lookups:
    """Returns what a pipeline's module ``generator`` has as ``LOOKUPS``; nothing without it."""
    lookups: Lookups = getattr(location.module("generator"), "LOOKUPS", {})
    return lookups


def store_lookups(mongo: MongoSettings, lookups: Lookups, plan: Plan) -> dict[str, int]:
    """Returns how many documents of each collection are stored, at majority write concern; again has no effect.

    Args:
        mongo: where MongoDB is.
        lookups: a pipeline's.
        plan: what is about to be sent.

    Raises:
        EnvironmentNotReadyError: MongoDB does not take them.
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
            f"MongoDB does not take the lookups: {type(error).__name__}", hint="is it up? see `tandem status`"
        ) from None
    return stored
