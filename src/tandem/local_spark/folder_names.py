"""Refuses folders whose names the programs on this machine would misread."""

from __future__ import annotations

from tandem.errors import UsageError
from tandem.settings.model import Settings

# Everything else is escaped where it is written.
_COMMA = ",", "a comma", "Kafka and Spark read it as the names of two folders"
_COLON = ":", "a colon", "Java's class path ends a name there"


def check_folder_names(settings: Settings) -> str:
    """Returns the state folder; raises if a program would misread it or the cache.

    Raises:
        UsageError: the message names the character.
    """
    for what, variable, folder, refused in (
        ("state", "TANDEM_STATE_DIR", settings.home, (_COMMA, _COLON)),
        ("cache", "TANDEM_CACHE_DIR", settings.cache_dir, (_COLON,)),
    ):
        for character, name, why in refused:
            if character in str(folder):
                raise UsageError(
                    f"the {what} folder {folder} has {name} in its path: {why}",
                    hint=f"set {variable} to a folder without {name}",
                )
    return str(settings.home)
