"""The containers of further pipelines: those of the first one once more, under other names."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

JOB, SETUP, RECONCILE = "job", "setup", "reconcile"
# On a job's container: whose it is.
PIPELINE_LABEL = "tandem.pipeline"


def named(service: str, pipeline: str) -> str:
    """Returns the name of a further pipeline's service."""
    return f"{service}-{pipeline}"


def services(models: Mapping[str, Mapping[str, Any]], pages: Sequence[str]) -> dict[str, Any]:
    """Returns what is added to the compose files: three services for each further pipeline, and a page for all.

    Args:
        models: of each further pipeline the services of the compose files, as Compose understands them when told of it.
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
    """Returns a service with files, host name and dependency of its own."""
    # The image is that of the first one's.
    service.pop("build", None)
    service["command"] = [_own(word, pipeline) for word in service["command"]]
    service["environment"] = {key: _own(str(value), pipeline) for key, value in service["environment"].items()}
    # Java takes no underscore in the name of a host.
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
    """Returns each pipeline that has a job's container, the first one first, with the service's name."""
    jobs: Sequence[str] = sorted(name for name in containers if name == JOB or name.startswith(f"{JOB}-"))
    return {str(containers[name].labels.get(PIPELINE_LABEL) or ""): name for name in jobs}
