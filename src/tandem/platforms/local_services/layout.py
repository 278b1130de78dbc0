"""The folders of an environment of local processes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from tandem.local_spark.local_spark import CHECKPOINT, SCRATCH
from tandem.supervision.state_folder import SUPERVISOR, StateFolder

# In the order in which they are stopped: nothing loses what it writes to before it has stopped itself.
SERVICES = ("dashboard", "job", "mongod", "kafka")
# The job of the pipeline with which the environment was started; any other's is called after its pipeline, too.
JOB = "job"


@dataclass(frozen=True)
class Layout(StateFolder):
    """The folders of one profile; see ``StateFolder``."""

    services: tuple[str, ...] = SERVICES
    data: tuple[str, ...] = ("kafka", "mongo", CHECKPOINT, SCRATCH)

    @property
    def conf(self) -> Path:
        """Files written from the settings at each start."""
        return self.home / "conf"

    @property
    def settings(self) -> Path:
        """The settings with which the supervisor runs: those of the first pipeline."""
        return self.conf / "settings.json"

    @property
    def pipelines(self) -> Path:
        """The pipelines that are to run; see ``PipelineRegistry``."""
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
        """What Spark spills."""
        return self.home / SCRATCH

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders that a start needs, besides those of data."""
        return (self.conf, *super().folders, self.pipelines)

    def job(self, pipeline: str) -> str:
        """Returns the name of the service that is a pipeline's job."""
        try:
            first = json.loads(self.settings.read_text("utf-8"))["pipeline"]
        except (OSError, ValueError, KeyError):
            first = pipeline
        return JOB if pipeline == first else f"{JOB}-{pipeline}"

    def conf_of(self, service: str) -> Path:
        """Returns the folder of what a job's driver reads."""
        return self.conf if service == JOB else self.conf / service

    def other_jobs(self) -> list[str]:
        """Returns the jobs of other pipelines than the first that have run here, whether they run now or not."""
        return sorted(log.stem for log in (self.home / "logs").glob(f"{JOB}-*.log"))

    def logs(self) -> list[Path]:
        """Returns the logs that programs append to while the supervisor runs."""
        return [self.log(name) for name in (*self.services, JOB, *self.other_jobs(), SUPERVISOR)]
