"""Protects a profile, such as production's: what loses data or sends generated records needs its name."""

from __future__ import annotations

from tandem.errors import UsageError
from tandem.settings.model import Settings

OPTION = "--confirm"


def check_name(settings: Settings, name: str | None) -> None:
    """Raises if a name was given that is not the profile's, protected or not.

    Raises:
        UsageError: the command is for another profile than the user thinks.
    """
    if name not in (None, settings.profile):
        raise UsageError(
            f"{name!r} is not the name of the profile, which is {settings.profile}", hint="nothing was changed"
        )


def check_confirmed(settings: Settings, what: str, name: str | None) -> None:
    """Raises unless a profile is unprotected or its name was given.

    Args:
        settings: the profile's settings.
        what: what would be done, as a verb and its object.
        name: the name that was given; None for none.

    Raises:
        UsageError: the name was not given, or it is another one.
    """
    check_name(settings, name)
    if name is None and settings.protected:
        profile = settings.profile
        raise UsageError(
            f"the profile {profile} is protected, and this would {what}", hint=f"confirm it: {OPTION} {profile}"
        )
