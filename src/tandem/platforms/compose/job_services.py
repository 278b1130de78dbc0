"""The services of a job: the first job has those of the compose files, any other one the same under its own names."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

JOB, SETUP, RECONCILE = "job", "setup", "reconcile"
# On a job's container: the pipeline.
PIPELINE_LABEL = "tandem.pipeline"


@dataclass(frozen=True)
class JobServices:
    """The names of a job's services.

    Attributes:
        pipeline: whose job it is.
        suffix: what the names end with; empty for the first job of the environment.
    """

    pipeline: str
    suffix: str = ""

    @classmethod
    def beside_others(cls, pipeline: str) -> JobServices:
        """Returns the names for a job that is not the first one."""
        return cls(pipeline, f"-{pipeline}")

    @property
    def job(self) -> str:
        """The service whose container is the driver."""
        return f"{JOB}{self.suffix}"

    @property
    def setup(self) -> str:
        """The service that writes the driver's files."""
        return f"{SETUP}{self.suffix}"

    @property
    def reconcile(self) -> str:
        """The service that reconciles."""
        return f"{RECONCILE}{self.suffix}"

    @property
    def host(self) -> str:
        """The host name of the driver. Java takes no underscore in it."""
        return self.job.replace("_", "-")

    def definitions(self, model: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """Returns the definitions of the three services, by name.

        Args:
            model: the services of the compose files, as Compose understands them when told of this pipeline.
        """
        setup, job, reconcile = (self._with_own_files(model[name]) for name in (SETUP, JOB, RECONCILE))
        setup["command"].append(f"--driver={self.host}")
        job["hostname"] = self.host
        job["networks"] = {"default": {"aliases": [self.host]}}
        needs: dict[str, Any] = job["depends_on"]
        needs[self.setup] = needs.pop(SETUP)
        return {self.setup: setup, self.job: job, self.reconcile: reconcile}

    def _with_own_files(self, service: Mapping[str, Any]) -> dict[str, Any]:
        own = copy.deepcopy(dict(service))
        # The image is that of the first one's.
        own.pop("build", None)
        own["command"] = [self._own(word) for word in own["command"]]
        own["environment"] = {key: self._own(str(value)) for key, value in own["environment"].items()}
        return own

    def _own(self, word: str) -> str:
        return word.replace("/conf", f"/conf/{self.pipeline}")


def job_services(containers: Mapping[str, Any]) -> dict[str, JobServices]:
    """Returns the services of each pipeline that has a job's container, the first one first."""
    names = sorted(name for name in containers if name == JOB or name.startswith(f"{JOB}-"))
    pipelines = (str(containers[name].labels.get(PIPELINE_LABEL) or "") for name in names)
    return {
        pipeline: JobServices(pipeline, name.removeprefix(JOB)) for pipeline, name in zip(pipelines, names, strict=True)
    }


def added_to_compose(models: Mapping[str, Mapping[str, Any]], pages: Sequence[str]) -> dict[str, Any]:
    """Returns what is added to the compose files: the services of all jobs but the first, and a page for all.

    Args:
        models: by pipeline, for ``JobServices.definitions``.
        pages: the pipeline that the compose files themselves run, if it runs.
    """
    if not models:
        return {}
    added: dict[str, Any] = {}
    for pipeline, model in models.items():
        added |= JobServices.beside_others(pipeline).definitions(model)
    # It is made anew for it: a container's environment does not change.
    page = {"environment": {"TANDEM_PIPELINE": ",".join([*pages, *models])}}
    return {"services": {**added, "dashboard": page}}
