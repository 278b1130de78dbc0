"""The services of each job in the compose files or beside them.

The first job has those of the compose files; other jobs have copies under other names.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

JOB, SETUP, BATCH = "job", "setup", "batch"
# The folder for the files of all drivers.
_CONF = "/conf"
# The label with the pipeline on a job's container.
PIPELINE_LABEL = "tandem.pipeline"


@dataclass(frozen=True)
class JobServices:
    """The names of a job's services.

    Attributes:
        pipeline: the job's pipeline.
        suffix: the end of each name; empty for the environment's first job.
    """

    pipeline: str
    suffix: str = ""

    @classmethod
    def beside_others(cls, pipeline: str) -> JobServices:
        """Returns the names for a job that is not the first one."""
        return cls(pipeline, f"-{pipeline}")

    @property
    def job(self) -> str:
        """The name of the driver's service."""
        return self.named(JOB)

    def named(self, service: str) -> str:
        """Returns the name of one of the job's services: ``JOB``, ``SETUP`` or ``BATCH``."""
        return f"{service}{self.suffix}"

    @property
    def batch_command(self) -> tuple[str, ...]:
        """The command of ``BATCH``; arguments may follow."""
        folder = f"{_CONF}/{self.pipeline}/batch" if self.suffix else f"{_CONF}/batch"
        return ("python", f"{folder}/submitted.py", f"@{folder}/arguments")

    def definitions(self, model: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """Returns the definitions of the three services, by name.

        Args:
            model: the services of the compose files for this pipeline, as Compose resolves them.
        """
        setup, job, batch = (self._with_own_files(model[name]) for name in (SETUP, JOB, BATCH))
        # Java allows no underscore in a host name.
        host = self.job.replace("_", "-")
        setup["command"].append(f"--driver={host}")
        job["hostname"] = host
        job["networks"] = {"default": {"aliases": [host]}}
        needs: dict[str, Any] = job["depends_on"]
        needs[self.named(SETUP)] = needs.pop(SETUP)
        return {self.named(SETUP): setup, self.job: job, self.named(BATCH): batch}

    def _with_own_files(self, service: Mapping[str, Any]) -> dict[str, Any]:
        """Returns a copy of a service with this pipeline's configuration files."""
        own = copy.deepcopy(dict(service))
        # It uses the first one's image.
        own.pop("build", None)
        files = f"{_CONF}/{self.pipeline}"
        own["command"] = [word.replace(_CONF, files) for word in own["command"]]
        own["environment"] = {key: str(value).replace(_CONF, files) for key, value in own["environment"].items()}
        return own


def job_services(containers: Mapping[str, Any]) -> dict[str, JobServices]:
    """Returns the services of each pipeline with a job's container.

    The first pipeline comes first.
    """
    names = sorted(name for name in containers if name == JOB or name.startswith(f"{JOB}-"))
    owners = {name: str(containers[name].labels.get(PIPELINE_LABEL) or "") for name in names}
    return {pipeline: JobServices(pipeline, name.removeprefix(JOB)) for name, pipeline in owners.items()}


def added_to_compose(models: Mapping[str, Mapping[str, Any]], pages: Sequence[str]) -> dict[str, Any]:
    """Returns the additions to the compose files.

    They are three services for each further pipeline, and the dashboard.

    Args:
        models: the services of the compose files for each further pipeline, as Compose resolves them.
        pages: the pipeline that the compose files themselves run, if it runs.
    """
    if not models:
        return {}
    added: dict[str, Any] = {}
    for pipeline, model in models.items():
        added |= JobServices.beside_others(pipeline).definitions(model)
    # The dashboard's container is recreated, because a container's environment does not change.
    page = {"environment": {"TANDEM_PIPELINE": ",".join([*pages, *models])}}
    return {"services": {**added, "dashboard": page}}
