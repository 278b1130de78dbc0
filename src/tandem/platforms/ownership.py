"""Finds the owner of containers and state folders.

Profiles of two folders may have the same name.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from tandem.checkout import STATE
from tandem.errors import UsageError
from tandem.platforms.local_services.layout import Layout
from tandem.settings.model import Settings

# The labels that compose/base.yml sets on every container: the profile, and its file as it is mounted.
PROFILE_LABEL = "tandem.profile"
FILE_LABEL = "tandem.profiles"
# Compose's own label with the checkout.
CHECKOUT_LABEL = "com.docker.compose.project.working_dir"


def owns(settings: Settings, labels: Mapping[str, str], checkout: Path) -> bool:
    """Returns whether containers belong to a profile's environment.

    Containers without labels are of an earlier version of Tandem, and belong to the profile that comes with Tandem.

    Args:
        settings: of a profile with the backend ``compose``.
        labels: those of the environment's Kafka; an empty one counts as missing.
        checkout: the folder of ``docker-compose.yml``, from which they were created.
    """
    profile, file = _labelled(labels, checkout)
    if settings.profile_file is None:
        return profile in (None, settings.profile)
    return (profile, file) == (settings.profile, settings.profile_file)


def check_containers(settings: Settings, project: str, labels: Mapping[str, str], checkout: Path) -> None:
    """Raises if a Compose project belongs to another profile or checkout.

    A missing label is no evidence.

    Args:
        settings: of a profile with the backend ``compose``.
        project: the project's name.
        labels: those of the project's Kafka.
        checkout: the folder of ``docker-compose.yml``.

    Raises:
        UsageError: it does; the message names what differs. A checkout that is gone owns nothing.
    """
    profile, file = _labelled(labels, checkout)
    change = "change the setting project (TANDEM_PROJECT)"
    created_in = Path(labels.get(CHECKOUT_LABEL) or checkout)
    if created_in != checkout and (created_in / "docker-compose.yml").is_file():
        raise UsageError(
            f"the Compose project {project} belongs to the checkout {created_in}, not to {checkout}",
            hint=f"use the tandem of that checkout, or {change}",
        )
    if profile not in (None, settings.profile):
        raise UsageError(
            f"the Compose project {project} belongs to the profile {profile}, not to {settings.profile}",
            hint=f"use --profile {profile}, or {change}",
        )
    if settings.profile_file and file not in (None, settings.profile_file):
        raise UsageError(
            f"the Compose project {project} belongs to the profile {settings.profile} of {file}",
            hint=f"call tandem in {file.parent}, or {change}",
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


def _labelled(labels: Mapping[str, str], checkout: Path) -> tuple[str | None, Path | None]:
    """Returns the profile and the file that labels name."""
    file = labels.get(FILE_LABEL)
    # A path in .env is absolute or relative to compose/.
    return labels.get(PROFILE_LABEL) or None, Path(os.path.normpath(checkout / "compose" / file)) if file else None
