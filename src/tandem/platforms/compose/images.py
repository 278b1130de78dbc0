"""Chooses the source of Kafka's and MongoDB's images if no setting names it."""

from __future__ import annotations

import sys

import structlog

from tandem.platforms.compose.cli import Compose
from tandem.platforms.compose.containers import Containers

_KINDS = ("official", "built")
_SERVICES = ("kafka", "mongo")
_log = structlog.get_logger(__name__)


def choose_images(compose: Compose, containers: Containers, project: str) -> str:
    """Returns ``official``, or ``built`` if no registry has the official images.

    Args:
        compose: the project's Compose, with the values of ``.env``.
        containers: the engine's containers.
        project: its name. A project with data keeps the kind that wrote it, because the versions differ.

    Raises:
        EnvironmentNotReadyError: the compose files are wrong.
    """
    services = compose.model()["services"]
    if "build" in services["kafka"]:
        return "built"
    # Other services have volumes of a kind, too, which may have been created with another one.
    kept = {volume.name for volume in containers.volumes(project)}
    for kind in _KINDS:
        if any(f"{project}_{name}_{kind}" in kept for name in _SERVICES):
            return kind
    if all(containers.has_image(services[name]["image"]) for name in _SERVICES):
        return "official"
    # A terminal shows Compose's own progress; elsewhere it would print a line for each layer and second.
    quiet = () if sys.stderr.isatty() else ("--quiet",)
    _log.info("pulling Kafka's and MongoDB's images, once")
    if compose.run("pull", *quiet, *_SERVICES) == 0:
        return "official"
    _log.warning("no image registry has Kafka's and MongoDB's images: building them from packages")
    return "built"
