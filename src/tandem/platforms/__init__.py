"""Platforms: each provides an environment and runs jobs in it."""

from __future__ import annotations

from typing import assert_never

from tandem.errors import EnvironmentNotReadyError, UsageError
from tandem.platforms.base import Environment, Job
from tandem.platforms.dataproc import check_libraries
from tandem.platforms.ownership import check_state_folder
from tandem.settings.model import Settings

__all__ = ["Environment", "Job", "default_profile", "environment_for", "possible_profile"]


def default_profile() -> tuple[str, str]:
    """Returns the default profile, and why: a running one, else a possible one.

    Raises:
        UsageError: several environments run.
    """
    from tandem.platforms.running import running

    active = running()
    if len(active) > 1:
        raise UsageError(
            f"several environments run here: {', '.join(f'{name} ({why})' for name, why in active.items())}",
            hint=f"choose one: --profile {' or --profile '.join(active)}",
        )
    return next(iter(active.items()), None) or possible_profile()


def possible_profile() -> tuple[str, str]:
    """Returns the profile that can run here, and why.

    Containers can run if a Docker engine answers. Podman may lack images, which Compose cannot build with it.
    """
    from tandem.platforms.compose.engine import find_engine

    try:
        engine = find_engine()
    except EnvironmentNotReadyError as error:
        return "embedded", str(error)
    if engine.podman:
        return "embedded", "Podman answers, not Docker; `--profile local` uses it"
    return "local", "a Docker engine answers"


def environment_for(settings: Settings) -> Environment:
    """Returns the environment of the profile's backend.

    Args:
        settings: of the first pipeline that a command names.

    Raises:
        EnvironmentNotReadyError: its libraries are not installed.
        UsageError: its state folder belongs to a profile of another folder.
    """
    match settings.backend:
        case "embedded":
            check_state_folder(settings)
            from tandem.platforms.embedded.environment import EmbeddedEnvironment

            return EmbeddedEnvironment(settings)
        case "compose":
            from tandem.platforms.compose.environment import ComposeEnvironment

            return ComposeEnvironment(settings)
        case "rehearsal":
            check_state_folder(settings)
            check_libraries("rehearsal")
            from tandem_rehearsal.environment import RehearsalEnvironment

            return RehearsalEnvironment(settings)
        case "dataproc":
            check_libraries("gcp")
            from tandem.platforms.dataproc.environment import DataprocEnvironment

            return DataprocEnvironment(settings)
        case unknown:
            assert_never(unknown)
