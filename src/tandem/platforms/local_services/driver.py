"""The job's driver."""

from __future__ import annotations

import sys
from functools import cache

from tandem.engine.declare.job_config import MUST_NOT_GO_ON
from tandem.job_files import STREAM, submitted
from tandem.platforms.local_services.layout import JOB, Layout
from tandem.platforms.local_services.prepare import Tools
from tandem.platforms.progress import ProgressReader
from tandem.platforms.provision import create_declared
from tandem.settings.model import MongoSettings, Settings
from tandem.supervision.service import Service
from tandem.waiting import NotYetError


class Driver(Service):
    """The driver of a pipeline's job; it is ready when it has reported its start.

    It reads the files of ``configure`` in the layout's folder for it.
    """

    needs = ("kafka", "mongod")
    # Spark starts in parallel with Kafka and MongoDB. The query must wait, because a missing topic would end it.
    starts_early = True
    start_deadline_s = 180.0
    stop_deadline_s = 30.0
    final_codes = frozenset({MUST_NOT_GO_ON})

    def __init__(self, settings: Settings, tools: Tools, layout: Layout) -> None:
        name = layout.job(settings.pipeline)
        self._settings, self._layout = settings, layout
        self._folder, self._begin = layout.conf_of(name), layout.run / f"{name}.begun"
        self._spark = tools.spark(settings)
        self._progress = _reader(settings.mongo, settings.pipeline)
        command = (
            sys.executable,
            *submitted(settings.location, STREAM).command(self._folder),
            "--begin-when",
            f"file://{self._begin}",
        )
        super().__init__(name, command, {})

    def prepare(self) -> None:
        """Empties the temporary folder, and selects the class archive."""
        self._begin.unlink(missing_ok=True)
        # Only the first pipeline's driver records the archive, because several would write the same file.
        self.environment = self._spark.prepare(self._settings, self._folder, record=self.name == JOB)

    def on_needs_ready(self) -> None:
        """Lets the job begin to read."""
        if self.name != JOB:
            # The services create those of the first pipeline.
            create_declared(self._settings)
        self._begin.touch()

    def probe(self, pid: int, /) -> None:
        """Returns when the job has reported its start."""
        newest = self._progress.newest()
        if newest is None or newest["pid"] != pid or newest["event"] == "failed":
            raise NotYetError("it has not reported its start")

    def linger_s(self) -> float:
        """Returns how long Java may write its class archive, in seconds."""
        return self._spark.archive.linger_s()

    def on_stopped(self) -> None:
        """Keeps the class archive that Java has written."""
        self._spark.archive.keep()


@cache
def _reader(mongo: MongoSettings, pipeline: str) -> ProgressReader:
    """Returns the reader that all successive drivers of a pipeline share."""
    return ProgressReader(mongo, pipeline)
