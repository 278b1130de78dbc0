"""The folders of an environment of local processes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from tandem.local_spark.local_spark import CHECKPOINT, SCRATCH
from tandem.supervision.state_folder import SUPERVISOR, StateFolder

# In the order in which they stop: a service stops before those that it writes to.
SERVICES = ("dashboard", "job", "mongod", "kafka")
# The job of the first pipeline. The names of other jobs end with their pipeline.
JOB = "job"


@dataclass(frozen=True)
class Layout(StateFolder):
    """The folders of one profile; see ``StateFolder``."""

    services: tuple[str, ...] = SERVICES
    data: tuple[str, ...] = ("kafka", "mongo", CHECKPOINT, SCRATCH)

    @property
    def conf(self) -> Path:
        """Files written from the settings."""
        return self.home / "conf"

    @property
    def settings(self) -> Path:
        """The supervisor's settings: those of the first pipeline."""
        return self.conf / "settings.json"

    @property
    def pipelines(self) -> Path:
        """The pipelines to run; see ``PipelineRegistry``."""
        return self.run / "pipelines"

    @property
    def kafka(self) -> Path:
        """Kafka's data."""
        return self.home / "kafka"

    @property
    def mongo(self) -> Path:
        """MongoDB's data."""
        return self.home / "mongo"

    @property
    def checkpoint(self) -> Path:
        """Spark's offsets and state, a folder for each pipeline."""
        return self.home / CHECKPOINT

    @property
    def scratch(self) -> Path:
        """Spark's temporary data."""
        return self.home / SCRATCH

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders that a start needs, besides those of data."""
        return (self.conf, *super().folders, self.pipelines)

    def job(self, pipeline: str) -> str:
        """Returns the name of a pipeline's job as a service."""
        try:
            first = json.loads(self.settings.read_text("utf-8"))["pipeline"]
        except (OSError, ValueError, KeyError):
            first = pipeline
        return JOB if pipeline == first else f"{JOB}-{pipeline}"

    def conf_of(self, service: str) -> Path:
        """Returns the folder of a driver's configuration."""
        return self.conf if service == JOB else self.conf / service

    def other_jobs(self) -> list[str]:
        """Returns the jobs that have ever run here, without the first pipeline's."""
        return sorted(log.stem for log in (self.home / "logs").glob(f"{JOB}-*.log"))

    def logs(self) -> list[Path]:
        """Returns the logs of the running programs."""
        return [self.log(name) for name in (*self.services, JOB, *self.other_jobs(), SUPERVISOR)]
