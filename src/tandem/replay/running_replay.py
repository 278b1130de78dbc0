"""Finds a replay that still runs, although its command may have ended."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from pymongo.database import Database

from tandem.engine.declare.stream import REPLAY_COLLECTION
from tandem.errors import TandemError
from tandem.progress_display import wait_shown
from tandem.waiting import NotYetError

# A replay that runs renews its record every two seconds.
_RENEWED_S = 10.0
_DEADLINE_S = 3 * _RENEWED_S
# No two clocks differ by this much.
_OLD = timedelta(days=1)


def check_none_runs(database: Database[dict[str, Any]], pipeline: str) -> None:
    """Raises if a replay of a pipeline runs.

    In the cloud, and after a command was killed, a replay continues without its command. The record of a killed replay
    says that it runs, too. So this waits until such a record is renewed, or was not renewed for some seconds. Its time
    is that of another machine, whose clock may differ.

    Raises:
        TandemError: one runs.
    """
    records = database[REPLAY_COLLECTION]
    for first in list(records.find({"pipeline": pipeline, "state": "running"})):
        since = time.monotonic()

        def runs(first: dict[str, Any] = first, since: float = since) -> bool:
            newest = records.find_one({"_id": first["_id"]})
            if newest is None or newest["state"] != "running":
                return False
            if newest["at"] != first["at"]:
                return True
            old = abs(datetime.now(UTC) - newest["at"].replace(tzinfo=UTC)) > _OLD
            if old or time.monotonic() - since > _RENEWED_S:
                return False
            raise NotYetError("it is not known whether it runs")

        hint = f"if no replay runs, delete the document {first['_id']} in {REPLAY_COLLECTION}"
        if wait_shown("a sign of the earlier replay", runs, deadline_s=_DEADLINE_S, hint=hint):
            into = first["into"]
            raise TandemError(
                f"a replay of {pipeline} is running{f' into the collections with the suffix {into}' if into else ''}",
                hint=f"wait until it has ended; `tandem verify{f' --into {into}' if into else ''}` then compares its "
                "documents",
            )
