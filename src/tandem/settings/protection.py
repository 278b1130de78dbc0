"""Protects profiles such as production: a command needs their name."""

from __future__ import annotations

from urllib.parse import urlsplit

from tandem.errors import UsageError
from tandem.settings.load import read_settings
from tandem.settings.model import Settings
from tandem.settings.profiles import profiles

OPTION = "--confirm"


def check_name(settings: Settings, name: str | None) -> None:
    """Raises if the confirmed name is not the profile's.

    Raises:
        UsageError: the names differ, so the user may mean another profile.
    """
    if name not in (None, settings.profile):
        raise UsageError(
            f"{name!r} is not the name of the profile, which is {settings.profile}", hint="nothing was changed"
        )


def check_confirmed(settings: Settings, what: str, name: str | None) -> None:
    """Raises if a profile is protected and its name was not confirmed.

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
    """Raises if generated records may not be sent to a profile's topics.

    Args:
        settings: the profile's settings.
        name: the name that was given; None for none.

    Raises:
        UsageError: the profile is protected, and its name was not confirmed.
    """
    what = sending(settings)
    check_unshared(settings, what)
    check_confirmed(settings, what, name)


def sending(settings: Settings) -> str:
    """Returns the description of sending generated records, for ``check_confirmed``."""
    return f"send generated records to {settings.kafka.bootstrap}"


def check_unshared(settings: Settings, what: str) -> None:
    """Raises if a cloud profile shares topics or collections with a protected profile.

    Args:
        settings: the profile's settings.
        what: what would be done to topics and collections, as a verb and its object.

    Raises:
        UsageError: the action would affect the protected profile.
    """
    if settings.backend != "dataproc":
        return
    for name, profile in profiles().items():
        if name == settings.profile or profile.values["backend"] != "dataproc":
            continue
        theirs = _beside(settings, name)
        if theirs.protected and (shared := _shared(settings, theirs)):
            raise UsageError(
                f"{settings.profile} and the protected {name} share {shared}, and this would {what}",
                hint=f"give {settings.profile} a Kafka cluster and a database of its own, or use --profile {name}",
            )


def _beside(settings: Settings, name: str) -> Settings:
    """Returns another profile's settings for the same pipeline, from its files.

    Raises:
        UsageError: the settings are invalid, so what the two profiles share is unknown.
    """
    same = {"pipeline": settings.pipeline, "pipelines_dir": settings.pipelines_dir}
    try:
        return read_settings(name, same, named=False, shell=False).settings
    except UsageError as error:
        raise UsageError(f"cannot check what {settings.profile} shares with {name}: {error}", hint=error.hint) from None


def _shared(mine: Settings, theirs: Settings) -> str | None:
    """Returns what two environments of one pipeline share; None for nothing."""
    if "bootstrap" in theirs.kafka.model_fields_set:
        ours, other = (_hosts(each.kafka.bootstrap, 9092) for each in (mine, theirs))
        if common := ours & other:
            return ", ".join(sorted(common))
    if "uri" in theirs.mongo.model_fields_set and mine.mongo.database == theirs.mongo.database:
        ours, other = (_hosts(urlsplit(each.mongo.uri).netloc, 27017) for each in (mine, theirs))
        if common := ours & other:
            return f"{mine.mongo.database} in {', '.join(sorted(common))}"
    return None


def _hosts(addresses: str, port: int) -> set[str]:
    """Returns the addresses of a list as ``host:port``."""
    hosts = (host.strip().lower() for host in addresses.rpartition("@")[2].split(","))
    return {host if ":" in host.rpartition("]")[2] else f"{host}:{port}" for host in hosts if host}
