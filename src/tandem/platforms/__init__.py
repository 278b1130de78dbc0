"""Platforms: each starts, supervises, inspects and stops the programs of an environment."""

from __future__ import annotations

from tandem.errors import EnvironmentNotReadyError, UsageError
from tandem.platforms.base import Platform
from tandem.platforms.dataproc import check_libraries
from tandem.settings.model import Settings

__all__ = ["Platform", "default_profile", "platform_for", "possible_profile"]


def default_profile() -> tuple[str, str]:
    """Returns the profile to use if none is chosen, and why: a running one, else a possible one.

    Raises:
        UsageError: several environments run.
    """
    from tandem.platforms.running import running

    found = running()
    if len(found) > 1:
        raise UsageError(
            f"several environments run here: {', '.join(f'{name} ({why})' for name, why in found.items())}",
            hint=f"choose one: --profile {' or --profile '.join(found)}",
        )
    return next(iter(found.items()), None) or possible_profile()


def possible_profile() -> tuple[str, str]:
    """Returns the profile that can run here, and why: containers if a Docker engine answers."""
    from tandem.platforms.compose.engine import find_engine

    try:
        find_engine()
    except EnvironmentNotReadyError as error:
        return "embedded", str(error)
    return "local", "a Docker engine answers"


def platform_for(settings: Settings) -> Platform:
    """Returns the platform of the profile's backend.

    Raises:
        EnvironmentNotReadyError: its libraries are not installed.
    """
    if settings.backend == "embedded":
        from tandem.platforms.embedded.platform import EmbeddedPlatform

        return EmbeddedPlatform(settings)
    if settings.backend == "compose":
        from tandem.platforms.compose.platform import ComposePlatform

        return ComposePlatform(settings)
    if settings.backend == "rehearsal":
        check_libraries("rehearsal")
        from tandem_rehearsal.platform import RehearsalPlatform

        return RehearsalPlatform(settings)
    check_libraries("gcp")
    from tandem.platforms.dataproc.platform import DataprocPlatform

    return DataprocPlatform(settings)
