"""Finds the environments that run here, and the jobs in one."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from typing import assert_never

from tandem.checkout import project_folder
from tandem.errors import EnvironmentNotReadyError, UsageError
from tandem.foreign import inherited
from tandem.platforms.ownership import FILE_LABEL, FOLDER_LABEL, PROFILE_LABEL, owns, state_owner
from tandem.settings.load import read_settings
from tandem.settings.model import Settings
from tandem.settings.profiles import profiles
from tandem.supervision.process import alive, read_identity
from tandem.supervision.state_folder import SUPERVISOR, StateFolder

_SHOWN = ("com.docker.compose.project", FOLDER_LABEL, PROFILE_LABEL, FILE_LABEL)
# A slower engine counts as not running here; whether it can run anything is checked with more patience.
_PATIENCE_S = 5


def running() -> dict[str, str]:
    """Returns the profiles whose environments run here, each with the evidence."""
    active, with_containers = {}, []
    for settings in valid_settings():
        match settings.backend:
            case "embedded" | "rehearsal":
                supervisor = read_identity(StateFolder(settings.home).pid(SUPERVISOR))
                if supervisor and alive(supervisor) and not state_owner(settings):
                    active[settings.profile] = f"it runs here, with its state in {settings.home}"
            case "compose":
                with_containers.append(settings)
            case "dataproc":
                # It does not run here.
                pass
            case unknown:
                assert_never(unknown)
    for name, project in _projects(with_containers).items():
        active[name] = f"its containers run here, in the Compose project {project}"
    return active


def check_running(pipeline: str, running: Sequence[str]) -> None:
    """Raises if a pipeline's job does not run in an environment.

    Args:
        pipeline: the pipeline's name.
        running: the pipelines whose jobs run there.

    Raises:
        EnvironmentNotReadyError: the message names the running ones.
    """
    if not running:
        raise EnvironmentNotReadyError("nothing runs", hint="start it with `tandem up`")
    if pipeline not in running:
        raise EnvironmentNotReadyError(
            f"this environment runs {', '.join(running)}, not {pipeline}",
            hint=f"start it with `tandem --pipeline {pipeline} up`, or use --pipeline {running[0]}",
        )


def valid_settings() -> list[Settings]:
    """Returns the settings of all profiles, without invalid ones."""
    found = []
    for name in profiles():
        with suppress(UsageError):
            found.append(read_settings(name).settings)
    return found


def _projects(known: Sequence[Settings]) -> dict[str, str]:
    """Returns the Compose project in which each profile's Kafka runs.

    Only projects of this folder count.

    One call of ``docker ps`` costs some 30 ms. Containers that only watch a cloud environment have no Kafka.

    Args:
        known: the settings of the profiles with the backend ``compose``.
    """
    folder = project_folder()
    if folder is None or shutil.which("docker") is None:
        return {}
    labels = ("com.docker.compose.service=kafka", "com.docker.compose.oneoff=False")
    filters = (word for label in labels for word in ("--filter", f"label={label}"))
    shown = "\t".join(f'{{{{.Label "{label}"}}}}' for label in _SHOWN)
    try:
        done = subprocess.run(
            ("docker", "ps", *filters, "--format", shown),
            env=inherited(),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return {}
    if done.returncode != 0:
        return {}
    found = [line.split("\t") for line in done.stdout.splitlines() if line.count("\t") == len(_SHOWN) - 1]
    return {
        settings.profile: project
        for settings in known
        for project, place, profile, file in found
        if (settings.project == project if settings.project else place == str(folder))
        and owns(settings, {PROFILE_LABEL: profile, FILE_LABEL: file}, folder)
    }
