"""Checks what Podman's service needs and Docker's engine does not."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import structlog

from tandem.errors import EnvironmentNotReadyError

# This folder exists where systemd runs; see sd_booted(3).
SYSTEMD = Path("/run/systemd/system")
_log = structlog.get_logger(__name__)


def check_podman(services: Mapping[str, Any], has_image: Callable[[str], bool]) -> None:
    """Raises if an image is missing, and warns if systemd does not run.

    Compose needs BuildKit to build our images, which Podman does not have. Podman leaves health checks to timers of
    systemd.

    Args:
        services: the services of the Compose project.
        has_image: whether the engine has an image.

    Raises:
        EnvironmentNotReadyError: an image is missing; the hint has the command that builds it.
    """
    for service in services.values():
        build, image = service.get("build"), service.get("image", "")
        if build and not has_image(image):
            context = Path(build["context"])
            file, target = str(context / build["dockerfile"]), build["target"]
            command = ["podman", "build", "--file", file, "--target", target, "--tag", image, str(context)]
            raise EnvironmentNotReadyError(
                f"the image {image} is missing, and Compose cannot build it with Podman",
                hint=f"build it: {shlex.join(command)}",
            )
    # Elsewhere, Podman runs in a virtual machine.
    if sys.platform == "linux" and not SYSTEMD.is_dir():
        _log.warning(
            "Podman runs health checks with systemd, which does not run here: containers will not become healthy",
            hint="run `podman healthcheck run CONTAINER` for each container until it is healthy",
        )
