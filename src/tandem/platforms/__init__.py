"""Where the pipeline runs: each platform starts, supervises, inspects and stops the real programs."""

from __future__ import annotations

from tandem.errors import UsageError
from tandem.platforms.base import Platform
from tandem.settings.model import Settings

__all__ = ["Platform", "platform_for"]


def platform_for(settings: Settings) -> Platform:
    """Returns the platform of the profile's backend.

    Raises:
        UsageError: this version has no such backend.
    """
    if settings.backend == "embedded":
        from tandem.platforms.embedded.platform import EmbeddedPlatform

        return EmbeddedPlatform(settings)
    raise UsageError(
        f"profile {settings.profile} needs the backend {settings.backend!r}, which this version does not have",
        hint="use `--profile embedded`",
    )
