"""Stops the job once a file appears, for clusters without signals."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from py4j.protocol import Py4JError
from pyspark.sql import SparkSession

from tandem.engine.spark.file_system import exists

# Requests to Cloud Storage cost money: at this interval, less than a cent a day.
EVERY_S = 5.0
_log = logging.getLogger("tandem.job")


class StopFile:
    """Waits for a file in its own thread.

    Args:
        spark: the session, whose file systems find the file.
        location: the file's URI.
        stop: called once when the file exists.
    """

    def __init__(self, spark: SparkSession, location: str, stop: Callable[[], None]) -> None:
        self._spark, self._location, self._stop = spark, location, stop
        self._thread = threading.Thread(target=self._watch, name="stop file", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def _watch(self) -> None:
        while True:
            time.sleep(EVERY_S)
            try:
                if exists(self._spark, self._location):
                    _log.info("asked to stop by %s", self._location)
                    self._stop()
                    return
            except (Py4JError, OSError) as error:
                # The job does not depend on it, and the next check may succeed.
                _log.warning("cannot look for %s: %s", self._location, type(error).__name__)
