"""Removes a pipeline's own topics and collections."""

from __future__ import annotations

from pathlib import Path

from tandem.catalog import PipelineLocation, declared_by
from tandem.engine.declare.collection_set import name_beside
from tandem.engine.declare.stream import (
    BATCH_COLLECTION,
    JOB_COLLECTION,
    PROGRESS_COLLECTION,
    REPLAY_COLLECTION,
    SUPERSEDED_COLLECTION,
)
from tandem.platforms.provision import administrator, database_of
from tandem.replay.sets import names_of_others
from tandem.settings.model import KafkaSettings, MongoSettings


def own_topics(location: PipelineLocation) -> list[str]:
    """Returns the dead-letter topic and those of streams that are not external."""
    declared = declared_by(location)
    return sorted({*(each.topic for each in declared.streams if not each.external), declared.dead_letter_topic})


def own_collections(location: PipelineLocation) -> list[str]:
    """Returns the collections that a pipeline writes."""
    return sorted({each.name for each in declared_by(location).collections})


def remove_topics(kafka: KafkaSettings, location: PipelineLocation) -> list[str]:
    """Returns the pipeline's topics that were removed, with all records in them.

    Raises:
        EnvironmentNotReadyError: Kafka refused.
    """
    with administrator(kafka, "remove the topics") as admin:
        there = set(admin.list_topics())
        removed = [topic for topic in own_topics(location) if topic in there]
        if removed:
            admin.delete_topics(removed)
    return removed


def remove_collections(mongo: MongoSettings, location: PipelineLocation, pipelines_dir: Path) -> list[str]:
    """Returns the pipeline's collections that were removed.

    Those that replays have written beside them, and the pipeline's documents in Tandem's own ones, are removed, too.
    One that another pipeline declares meanwhile is kept.

    Args:
        mongo: MongoDB's settings.
        location: the pipeline.
        pipelines_dir: the user's folder of pipelines.

    Raises:
        EnvironmentNotReadyError: MongoDB refused.
        UsageError: replays have written collections, and the declaration of another pipeline is wrong.
    """
    with database_of(mongo, "remove the collections") as database:
        replays = database[REPLAY_COLLECTION].find({"pipeline": location.name})
        suffixes = sorted(each["into"] for each in replays if each["into"])
        others = names_of_others(database, location, pipelines_dir) if suffixes else {}
        own = own_collections(location)
        beside = [name_beside(each, suffix) for suffix in suffixes for each in own]
        own += [each for each in beside if each not in others]
        there = set(database.list_collection_names())
        removed = [collection for collection in own if collection in there]
        for collection in removed:
            database.drop_collection(collection)
        # Other pipelines may use the same database.
        about = {
            PROGRESS_COLLECTION: ("pipeline", [location.name]),
            JOB_COLLECTION: ("pipeline", [location.name]),
            BATCH_COLLECTION: ("pipeline", [location.name]),
            REPLAY_COLLECTION: ("pipeline", [location.name]),
            SUPERSEDED_COLLECTION: ("collection", own),
        }
        for collection, (field, values) in about.items():
            database[collection].delete_many({field: {"$in": values}})
            if database[collection].find_one() is None:
                database.drop_collection(collection)
    return removed
