"""Sets of collections that replays have written beside a pipeline's own ones."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pymongo.database import Database

from tandem.catalog import PipelineLocation, declared_by, find, names
from tandem.engine.declare.collection_set import name_beside
from tandem.engine.declare.replay_range import ReplayRange, record_id, record_of
from tandem.engine.declare.stream import REPLAY_COLLECTION
from tandem.errors import UsageError

_SUFFIX = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
# MongoDB's limit for the names of a database and a collection, with the dot between them.
_MOST_BYTES = 255


@dataclass(frozen=True)
class Step:
    """What a replay does.

    Attributes:
        name: the step, as the beginning of a line.
        done: the number of finished tasks of Spark's newest stage.
        total: the number of that stage's tasks; 0 if no stage runs.
    """

    name: str
    done: int
    total: int


@dataclass(frozen=True)
class Replayed:
    """The record of the newest replay into a set.

    Attributes:
        span: the range that it read.
        watermark_ms: the watermark of the range's records, in milliseconds since 1970; 0 if it is not known yet.
        state: ``running``, ``done`` or ``failed``.
        progress: what it does now, if that is known.
    """

    span: ReplayRange
    watermark_ms: int
    state: str
    progress: Step | None


def check_suffix(location: PipelineLocation, database: str, suffix: str) -> None:
    """Raises if a suffix cannot name a set of the pipeline's collections.

    Raises:
        UsageError: it has forbidden characters, is too long, or names a collection of the pipeline itself.
    """
    if not _SUFFIX.fullmatch(suffix):
        raise UsageError(
            f"{suffix!r} cannot be a suffix of collections",
            hint="use up to 32 letters, digits, - and _, and begin with a letter or a digit, such as v2",
        )
    declared = declared_by(location)
    own = {each.name for each in declared.collections} | {each.collection for each in declared.lookups}
    for collection in own:
        name = name_beside(collection, suffix)
        if name in own:
            raise UsageError(
                f"{name} is one of the pipeline's own collections, so {suffix} cannot be a suffix",
                hint="use another suffix",
            )
        if len(f"{database}.{name}".encode()) > _MOST_BYTES:
            raise UsageError(f"{name} is too long for MongoDB", hint="use a shorter suffix")


def replayed(database: Database[dict[str, Any]], pipeline: str, suffix: str) -> Replayed | None:
    """Returns the record of the newest replay into a set; None if there was none."""
    found = database[REPLAY_COLLECTION].find_one({"_id": record_id(pipeline, suffix)})
    if found is None:
        return None
    return Replayed(ReplayRange.parse(found["range"]), found["watermark_ms"], found["state"], _step(found["progress"]))


def announce(database: Database[dict[str, Any]], pipeline: str, span: ReplayRange) -> None:
    """Stores the record of a first replay into a set, before its collections exist.

    So the collections are known as those of a replay, even if it never starts.
    """
    record = {**record_of(pipeline, span, "running"), "at": datetime.now(UTC)}
    database[REPLAY_COLLECTION].update_one({"_id": record.pop("_id")}, {"$setOnInsert": record}, upsert=True)


def _step(stored: dict[str, Any] | None) -> Step | None:
    return Step(stored["step"], stored["done"], stored["total"]) if stored else None


def check_replayed(database: Database[dict[str, Any]], location: PipelineLocation, suffix: str) -> Replayed:
    """Returns the record of a set.

    Raises:
        UsageError: no replay has written the set, or the newest one has not ended.
    """
    found = replayed(database, location.name, suffix)
    if found is None:
        raise UsageError(
            f"no replay of {location.name} has written collections with the suffix {suffix}",
            hint=f"`tandem replay --since TIME --into {suffix}` writes them",
        )
    if found.state != "done":
        raise UsageError(
            f"the replay into the collections with the suffix {suffix} has not ended: it is {found.state}",
            hint="wait for it; if it was killed, run the same command again",
        )
    return found


def names_of_others(database: Database[dict[str, Any]], location: PipelineLocation, own: Path) -> dict[str, str]:
    """Returns the pipeline of each collection of others.

    Their sets have collections, too.

    Args:
        database: the database that has the records of the sets.
        location: the pipeline whose own collections are left out.
        own: the user's folder of pipelines.

    Raises:
        UsageError: the declaration of one is wrong.
    """
    found: dict[str, str] = {}
    for other in (find(name, own) for name in names(own) if name != location.name):
        declared = declared_by(other)
        suffixes = {"", *(each["into"] for each in database[REPLAY_COLLECTION].find({"pipeline": other.name}))}
        found |= {name_beside(each.name, suffix): other.name for each in declared.collections for suffix in suffixes}
        found |= {each.collection: other.name for each in declared.lookups}
    return found


def check_free(database: Database[dict[str, Any]], location: PipelineLocation, suffix: str, own: Path) -> None:
    """Raises if the set's collections belong to others.

    Args:
        database: the pipeline's database.
        location: the pipeline.
        suffix: the suffix of the set.
        own: the user's folder of pipelines.

    Raises:
        UsageError: another pipeline has one, or one has documents that no replay has written.
    """
    others = names_of_others(database, location, own)
    for collection in declared_by(location).collections:
        name = name_beside(collection.name, suffix)
        if name in others:
            raise UsageError(
                f"{name} is a collection of the pipeline {others[name]}, so {suffix} cannot be a suffix",
                hint="use another suffix",
            )
    if replayed(database, location.name, suffix) is not None:
        return
    for collection in declared_by(location).collections:
        name = name_beside(collection.name, suffix)
        if database[name].find_one({}, {"_id": 1}) is not None:
            raise UsageError(
                f"the collection {name} has documents, and no replay of {location.name} has written them",
                hint="use another suffix",
            )
