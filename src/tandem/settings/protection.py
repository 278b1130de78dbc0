"""Protects a profile, such as production's: what loses data or sends generated records needs its name."""

from __future__ import annotations

from tandem.errors import UsageError
from tandem.settings.load import read_settings
from tandem.settings.model import Settings
from tandem.settings.profiles import profiles

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


def check_sending(settings: Settings, name: str | None) -> None:
    """Raises unless generated records may be sent to a profile's topics.

    Args:
        settings: the profile's settings.
        name: the name that was given; None for none.

    Raises:
        UsageError: they are a protected profile's, and its name was not given.
    """
    what = sending(settings)
    check_unshared(settings, what)
    check_confirmed(settings, what, name)


def sending(settings: Settings) -> str:
    """Returns what would be done, as ``check_confirmed`` names it, where generated records are sent."""
    return f"send generated records to {settings.kafka.bootstrap}"


def check_unshared(settings: Settings, what: str) -> None:
    """Raises if a cloud profile has the topics or the collections of another one, which is protected.

    Args:
        settings: the profile's settings.
        what: what would be done to topics and collections, as a verb and its object.

    Raises:
        UsageError: it would be done to the other profile's, too.
    """
    if settings.backend != "dataproc":
        return
    for name, profile in profiles().items():
        if name == settings.profile or not profile.values.get("protected"):
            continue
        theirs = read_settings(name, {"pipeline": settings.pipeline}, named=False).settings
        if shared := _shared(settings, theirs):
            raise UsageError(
                f"{settings.profile} and the protected {name} share {shared}, and this would {what}",
                hint=f"give {settings.profile} a Kafka cluster and a database of its own, or use --profile {name}",
            )


def _shared(mine: Settings, theirs: Settings) -> str | None:
    """Returns what two environments of one pipeline both use; None for nothing. A default is no address of a cloud."""
    if "bootstrap" in theirs.kafka.model_fields_set and mine.kafka.bootstrap == theirs.kafka.bootstrap:
        return mine.kafka.bootstrap
    there = (mine.mongo.uri, mine.mongo.database) == (theirs.mongo.uri, theirs.mongo.database)
    return f"{mine.mongo.database} in {mine.mongo.uri}" if there and "uri" in theirs.mongo.model_fields_set else None
