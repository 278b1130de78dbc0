"""Adds containers for further pipelines: copies of the first one's, under other names."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

JOB, SETUP, RECONCILE = "job", "setup", "reconcile"
# The label with the pipeline on a job's container.
PIPELINE_LABEL = "tandem.pipeline"


def named(service: str, pipeline: str) -> str:
    """Returns the name of a further pipeline's service."""
    return f"{service}-{pipeline}"


def services(models: Mapping[str, Mapping[str, Any]], pages: Sequence[str]) -> dict[str, Any]:
    """Returns the additions to the compose files.

    They are three services for each further pipeline, and the dashboard.

    Args:
        models: the services of the compose files for each further pipeline, as Compose resolves them.
        pages: the pipeline that the compose files themselves run, if it runs.
    """
    added = {
        named(service, pipeline): _renamed(copy.deepcopy(dict(model[service])), service, pipeline)
        for pipeline, model in models.items()
        for service in (SETUP, JOB, RECONCILE)
    }
    if not added:
        return {}
    # It is made anew for it: a container's environment does not change.
    page = {"environment": {"TANDEM_PIPELINE": ",".join([*pages, *models])}}
    return {"services": {**added, "dashboard": page}}


def _renamed(service: dict[str, Any], name: str, pipeline: str) -> dict[str, Any]:
    """Returns a service with its own files, host name and dependency."""
    # It uses the first one's image.
    service.pop("build", None)
    service["command"] = [_own(word, pipeline) for word in service["command"]]
    service["environment"] = {key: _own(str(value), pipeline) for key, value in service["environment"].items()}
    # Java allows no underscore in a host name.
    host = named(JOB, pipeline).replace("_", "-")
    if name == SETUP:
        service["command"].append(f"--driver={host}")
    if name == JOB:
        service["hostname"] = host
        service["networks"] = {"default": {"aliases": [host]}}
        needs: dict[str, Any] = service["depends_on"]
        needs[named(SETUP, pipeline)] = needs.pop(SETUP)
    return service


def _own(word: str, pipeline: str) -> str:
    return word.replace("/conf", f"/conf/{pipeline}")


def job_services(containers: Mapping[str, Any]) -> dict[str, str]:
    """Returns the job's service of each pipeline with a job's container, the first one first."""
    jobs: Sequence[str] = sorted(name for name in containers if name == JOB or name.startswith(f"{JOB}-"))
    return {str(containers[name].labels.get(PIPELINE_LABEL) or ""): name for name in jobs}
