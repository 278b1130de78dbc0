"""Calls Docker Compose in one folder."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tandem.checkout import COMPOSE_FILE
from tandem.errors import EnvironmentNotReadyError, UsageError
from tandem.foreign import inherited
from tandem.platforms.compose.docker_output import json_object
from tandem.progress_display import progress_hidden
from tandem.settings.model import Settings

# The name under which compose/base.yml mounts the user's folder.
_OWN = "pipelines"
_OVERRIDE = "docker-compose.override.yml"


def project_name(folder: Path, settings: Settings) -> str:
    """Returns the name of a profile's Compose project.

    It depends on the folder and on the user's file.

    Args:
        folder: the folder of ``docker-compose.yml``.
        settings: the profile's settings.
    """
    places = [str(place) for place in (folder, settings.profile_file) if place]
    return f"{settings.environment}-{hashlib.sha256(chr(0).join(places).encode()).hexdigest()[:8]}"


def variables(settings: Settings, images: str | None) -> dict[str, str]:
    """Returns the variables of the compose files, which override ``.env``.

    They are the profile's settings.

    Args:
        settings: of a profile with the backend ``compose``.
        images: ``official``, ``built``, or None for the value in ``.env``.
    """
    values: dict[str, Any] = {
        "TANDEM_KAFKA__PORT": settings.kafka.port,
        "TANDEM_KAFKA__PARTITIONS": settings.kafka.partitions,
        "TANDEM_MONGO__PORT": settings.mongo.port,
        "TANDEM_UI__SPARK_PORT": settings.ui.spark_port,
        "TANDEM_UI__MASTER_PORT": settings.ui.master_port,
        "TANDEM_UI__DASHBOARD_PORT": settings.ui.dashboard_port,
        "TANDEM_UI__EVENT_LOG": str(settings.ui.event_log).lower(),
        "TANDEM_JOB__LATENESS_SECONDS": settings.job.lateness_seconds,
        "TANDEM_JOB__IDLE_TIMEOUT_SECONDS": settings.job.idle_timeout_seconds,
        "TANDEM_JOB__OUTAGE_TOLERANCE_SECONDS": settings.job.outage_tolerance_seconds,
        "TANDEM_PIPELINE": settings.pipeline,
        "TANDEM_PIPELINES_MOUNT": _mounted(settings.pipelines_dir),
        "TANDEM_LOCAL_PROFILE": settings.profile,
        "TANDEM_PROFILES_MOUNT": settings.profile_file,
        "TANDEM_JOB__MAX_CLOCK_SKEW_SECONDS": settings.job.max_clock_skew_seconds,
        "TANDEM_JOB__TRIGGER_SECONDS": settings.job.trigger_seconds,
        "TANDEM_JOB__PARAMETERS": json.dumps(settings.job.parameters),
        "TANDEM_SPARK": json.dumps(settings.spark),
        "TANDEM_IMAGES": images,
        "TANDEM_CA": settings.ca,
        "COMPOSE_PROFILES": "local",
        # The defaults do not override what .env says.
        **{
            f"TANDEM_TELEMETRY__{name.upper()}": value
            for name, value in settings.telemetry.model_dump(exclude_unset=True).items()
        },
    }
    return {name: str(value) for name, value in values.items() if value is not None}


def ports(settings: Settings) -> dict[str, int]:
    """Returns the containers' ports by the variable that sets each."""
    return {name: int(value) for name, value in variables(settings, None).items() if name.endswith("_PORT")}


def _mounted(own: Path) -> Path | None:
    """Returns the user's folder of pipelines.

    None for the folder that ``.env`` names if it does not exist.
    """
    if not own.is_dir():
        return None
    if own.name != _OWN:
        raise UsageError(
            f"in containers the folder of your pipelines must be named {_OWN}, not {own}",
            hint=f"rename it to {_OWN}, and set TANDEM_PIPELINES_DIR accordingly",
        )
    return own


class Compose:
    """Calls ``docker compose`` for one project.

    Args:
        folder: the folder of ``docker-compose.yml``.
        project: the project's name.
        environment: the variables of the compose files.
        added: a model to merge into the compose files, if any.
    """

    def __init__(
        self, folder: Path, project: str, environment: dict[str, str], added: dict[str, Any] | None = None
    ) -> None:
        self._folder, self._project, self._added = folder, project, added
        self._environment = {**inherited(), **environment}

    def run(self, *arguments: str) -> int:
        """Runs a command with its output on standard error; returns the exit code."""
        with progress_hidden():
            return subprocess.run(self._command(arguments), **self._where(), stdout=sys.stderr, check=False).returncode

    def output_of(self, *arguments: str) -> tuple[int, str, str]:
        """Returns a command's exit code, standard output and standard error."""
        done = subprocess.run(self._command(arguments), **self._where(), capture_output=True, check=False)
        return done.returncode, done.stdout, done.stderr

    def model(self) -> dict[str, Any]:
        """Returns the project's services, volumes and networks as Compose resolves them.

        Raises:
            EnvironmentNotReadyError: the compose files or ``.env`` are wrong; the message is Compose's.
        """
        code, output, errors = self.output_of("config", "--format", "json")
        if code != 0:
            raise EnvironmentNotReadyError(
                f"the compose files are wrong: {errors.strip()[:300]}", hint="`git status` shows the changed files"
            )
        return json_object(output, "docker compose config")

    def _command(self, arguments: tuple[str, ...]) -> list[str]:
        # Named explicitly, because the environment may name another project.
        names = [COMPOSE_FILE, *(name for name in (_OVERRIDE,) if (self._folder / name).is_file())]
        files = [word for name in (*names, *(["-"] if self._added else [])) for word in ("--file", name)]
        return ["docker", "compose", *files, "--project-name", self._project, *arguments]

    def _where(self) -> dict[str, Any]:
        # JSON is YAML.
        given = {"input": json.dumps(self._added)} if self._added else {}
        return {"cwd": self._folder, "env": self._environment, "text": True, "errors": "replace", **given}
