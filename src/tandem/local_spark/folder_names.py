"""Refuses folders whose names the programs on this machine would misread."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from tandem.errors import UsageError
from tandem.settings.model import Settings

# Everything else is escaped where it is written.
_COMMA = ",", "a comma", "Kafka and Spark read it as the names of two folders"
_COLON = ":", "a colon", "Java's class path ends a name there"
# Java has two characters in its place. Its class path and RocksDB encode each of them.
_EMOJI = "[\U00010000-\U0010ffff]", "an emoji or another character above U+FFFF", "Java and RocksDB misread it"


def check_folder_names(settings: Settings) -> str:
    """Returns the state folder; raises if a program would misread a folder.

    Raises:
        UsageError: the message names the character.
    """
    for what, way_out, folder, refused in (
        ("state", "set TANDEM_STATE_DIR to", settings.home, (_COMMA, _COLON, _EMOJI)),
        ("cache", "set TANDEM_CACHE_DIR to", settings.cache_dir, (_COLON, _EMOJI)),
        # Spark's jars are in it.
        ("Python", "install Tandem in", Path(sys.prefix), (_EMOJI,)),
    ):
        for character, name, why in refused:
            if re.search(character, str(folder)):
                raise UsageError(
                    f"the {what} folder {folder} has {name} in its path: {why}",
                    hint=f"{way_out} a folder without {name}",
                )
    return str(settings.home)
