"""Finds the owner of containers, volumes and state folders.

Profiles of two folders may have the same name.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from tandem.checkout import COMPOSE_FILE, STATE, fragments
from tandem.errors import UsageError
from tandem.platforms.local_services.layout import Layout
from tandem.settings.model import Settings

# The labels that compose/base.yml sets on every container and volume: the profile, and its file as it is mounted.
PROFILE_LABEL = "tandem.profile"
FILE_LABEL = "tandem.profiles"
# Compose's own label with the folder of docker-compose.yml.
FOLDER_LABEL = "com.docker.compose.project.working_dir"
_CHANGE = "change the setting project (TANDEM_PROJECT)"


def owns(settings: Settings, labels: Mapping[str, str], folder: Path) -> bool:
    """Returns whether containers belong to a profile's environment.

    Containers without labels are of an earlier version of Tandem, and belong to the profile that comes with Tandem.

    Args:
        settings: of a profile with the backend ``compose``.
        labels: those of the environment's Kafka; an empty one counts as missing.
        folder: the folder of ``docker-compose.yml``, from which they were created.
    """
    profile, file = _labelled(labels, folder)
    if settings.profile_file is None:
        return profile in (None, settings.profile)
    return (profile, file) == (settings.profile, settings.profile_file)


def check_project(settings: Settings, project: str, labels: Mapping[str, str], folder: Path) -> None:
    """Raises if a Compose project belongs to another profile or folder.

    A missing label is no evidence. A folder or a file that is gone owns nothing.

    Args:
        settings: of a profile with the backend ``compose``.
        project: the project's name.
        labels: those of the project's Kafka, or of a volume.
        folder: the folder of ``docker-compose.yml``.

    Raises:
        UsageError: it does; the message names what differs.
    """
    profile, file = _labelled(labels, folder)
    created_in = Path(labels.get(FOLDER_LABEL) or folder)
    if created_in != folder and (created_in / COMPOSE_FILE).is_file():
        raise UsageError(
            f"the Compose project {project} belongs to the folder {created_in}, not to {folder}",
            hint=f"use the tandem of that folder, or {_CHANGE}",
        )
    if profile not in (None, settings.profile):
        raise UsageError(
            f"the Compose project {project} belongs to the profile {profile}, not to {settings.profile}",
            hint=f"use --profile {profile}, or {_CHANGE}",
        )
    if settings.profile_file and file and file != settings.profile_file and file.is_file():
        raise UsageError(
            f"the Compose project {project} belongs to the profile {settings.profile} of {file}",
            hint=f"call tandem in {file.parent}, or {_CHANGE}",
        )


def check_containers(project: str, containers: Mapping[str, Mapping[str, str]], folder: Path) -> None:
    """Raises if a Compose project has containers of another program.

    Args:
        project: the project's name.
        containers: the labels of its containers by service.
        folder: the folder of ``docker-compose.yml``; containers created from it are Tandem's, also without labels.

    Raises:
        UsageError: it has; the message names them.
    """
    foreign = [
        service
        for service, labels in containers.items()
        if not labels.get(PROFILE_LABEL) and labels.get(FOLDER_LABEL) != str(folder)
    ]
    if foreign:
        raise UsageError(
            f"the Compose project {project} has containers of another program: {', '.join(sorted(foreign))}",
            hint=_CHANGE,
        )


def check_volumes(settings: Settings, project: str, volumes: Mapping[str, Mapping[str, str]], folder: Path) -> None:
    """Raises if a profile must not delete the volumes of a Compose project.

    Volumes without labels are of an earlier version of Tandem if Tandem has chosen the project's name. In a project
    that the user named, they may be of another program.

    Args:
        settings: of a profile with the backend ``compose``.
        project: the project's name.
        volumes: the labels of its volumes by name.
        folder: the folder of ``docker-compose.yml``.

    Raises:
        UsageError: a volume belongs to another profile, or has no labels in a project that the user named.
    """
    for labels in volumes.values():
        check_project(settings, project, labels, folder)
    unlabelled = sorted(name for name, labels in volumes.items() if not labels.get(PROFILE_LABEL))
    if settings.project and unlabelled:
        raise UsageError(
            f"the Compose project {project} has volumes without Tandem's labels: {', '.join(unlabelled)}",
            hint=f"{_CHANGE}; if an earlier version of Tandem created them, use `docker volume rm`",
        )


def state_owner(settings: Settings) -> Path | None:
    """Returns the user's file whose profile of the same name has the state folder.

    None if no other file's has it.

    The default folder, ``.tandem`` beside the profile's own file, belongs to it, also after both have moved.

    Args:
        settings: of a profile whose services are processes on this machine.
    """
    mine = settings.profile_file
    if mine is None or settings.state_dir == mine.parent / STATE:
        return None
    try:
        recorded = json.loads(Layout(settings.home).settings.read_text("utf-8")).get("profile_file")
    except (OSError, ValueError, AttributeError):
        return None
    other = Path(recorded) if isinstance(recorded, str) else None
    return other if other and other != mine and other.is_file() else None


def check_state_folder(settings: Settings) -> None:
    """Raises if the state folder belongs to a profile of another folder.

    See ``state_owner``.

    Raises:
        UsageError: it does; the message names that profile's file.
    """
    if other := state_owner(settings):
        raise UsageError(
            f"the state folder {settings.home} belongs to the profile {settings.profile} of {other}",
            hint=f"call tandem in {other.parent}, or set TANDEM_STATE_DIR to another folder",
        )


def _labelled(labels: Mapping[str, str], folder: Path) -> tuple[str | None, Path | None]:
    """Returns the profile and the file that labels name."""
    # A path in .env is absolute or relative to compose/.
    file = labels.get(FILE_LABEL)
    place = Path(os.path.normpath(fragments(folder) / "compose" / file)) if file else None
    return labels.get(PROFILE_LABEL) or None, place
