"""Where Kafka's and MongoDB's images come from when nobody said so."""

from __future__ import annotations

import structlog

from tandem.platforms.compose.cli import Compose
from tandem.platforms.compose.containers import Containers

_KINDS = ("official", "built")
_log = structlog.get_logger(__name__)


def choose_images(compose: Compose, containers: Containers, project: str) -> str:
    """Returns ``official``, or ``built`` where no registry has the official images.

    Args:
        compose: of the project, with what ``.env`` says.
        containers: of the engine.
        project: its name. What has data already stays with the kind that wrote it: the versions differ.

    Raises:
        EnvironmentNotReadyError: the compose files are wrong.
    """
    services = compose.model()["services"]
    if "build" in services["kafka"]:
        return "built"
    kept = {volume.name.rpartition("_")[2] for volume in containers.volumes(project)}
    for kind in _KINDS:
        if kind in kept:
            return kind
    if all(containers.has_image(services[name]["image"]) for name in ("kafka", "mongo")):
        return "official"
    if compose.run("pull", "--quiet", "kafka", "mongo") == 0:
        return "official"
    _log.warning("no image registry has Kafka's and MongoDB's images: building them from packages")
    return "built"
