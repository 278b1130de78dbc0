"""Filters the variables with options for every Java."""

from __future__ import annotations

import re
from collections.abc import Mapping

# This machine, as Java writes it.
LOOPBACK = ("localhost", "127.*", "[::1]")
VARIABLES = ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS")
# A word with its quotation marks, as Java splits it.
_WORD = re.compile(r"""(?:[^\s'"]|'[^']*'|"[^"]*")+""")
# Options that would stop or change a program: a second collector, another heap, another class archive, a port that
# only one program can use, and settings of Spark and its libraries.
_CONFLICTING = re.compile(
    r"""
      -XX:[+-]Use\w*GC\b
    | -Xm[nsx]
    | -XX:(Max|Min|Initial)RAM
    | -XX:(Max|Min|Initial|Soft)?(Max)?(Heap|New|Metaspace|DirectMemory)Size=
    | -Xshare: | -XX:(SharedArchiveFile|ArchiveClassesAtExit|AOT\w*)= | -XX:[+-]AutoCreateSharedArchive
    | -agentlib: | -agentpath: | -javaagent: | -Xrun
    | -Dcom\.sun\.management\.
    | -D(spark|hadoop|log4j2?|logback|slf4j|kafka)\.
    | -Duser\.(dir|timezone)= | -Djava\.(library\.path|class\.path|io\.tmpdir)=
    | -XX:(Flags|VMOptionsFile)= | @
    """,
    re.VERBOSE,
)
_DIRECT = "-Dhttp.nonProxyHosts="


def passed_on(options: str) -> str:
    """Returns the part of such a variable's value that is passed on.

    This machine's hosts are added to a list of hosts without a proxy, as Java's own defaults are lost with a list.
    """
    return " ".join(_direct(word) for word in words(options) if not _conflicts(word))


def left_out(options: str) -> list[str]:
    """Returns the names of the options that are not passed on.

    Their values may be secret.
    """
    return [name_of(word) for word in words(options) if _conflicts(word)]


def names_a_proxy(environ: Mapping[str, str]) -> bool:
    """Returns whether one of these variables gives Java a proxy."""
    return any(re.search("proxyHost=", environ.get(name, ""), re.IGNORECASE) for name in VARIABLES)


def words(options: str) -> list[str]:
    """Returns the options of such a variable, each with its quotation marks."""
    return _WORD.findall(options)


def name_of(word: str) -> str:
    """Returns an option without its value, which may be secret."""
    return word.strip("'\"").partition("=")[0]


def _conflicts(word: str) -> bool:
    return _CONFLICTING.match(word.strip("'\"")) is not None


def _direct(word: str) -> str:
    bare = word.replace('"', "").replace("'", "")
    if not bare.startswith(_DIRECT):
        return word
    hosts = bare.removeprefix(_DIRECT).split("|")
    return f'"{_DIRECT}{"|".join(dict.fromkeys((*filter(None, hosts), *LOOPBACK)))}"'
