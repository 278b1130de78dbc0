"""Finds a Java that Spark accepts."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tandem.errors import EnvironmentNotReadyError
from tandem.foreign import inherited
from tandem.foreign.inheritance import UTF8

_VERSION = re.compile(r'version "(\d+)(?:\.(\d+))?')
_PICKED_UP = re.compile(r"(NOTE: )?Picked up ")
_HOME = re.compile(r"^[ \t]*java\.home = (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Java:
    """One Java.

    Attributes:
        program: the ``java`` program.
        home: the value of ``JAVA_HOME`` for the programs that it runs.
        version: its major version.
        build: its description, which identifies the build.
    """

    program: Path
    home: Path
    version: int
    build: str


def find_java(java_home: Path | None, minimum: int) -> Java:
    """Returns the first Java that is new enough: of JAVA_HOME, then of PATH.

    Raises:
        EnvironmentNotReadyError: there is none; the message names the rejected ones.
    """
    rejected = []
    for origin, program in (("JAVA_HOME", java_home and java_home / "bin" / "java"), ("PATH", shutil.which("java"))):
        if program is None:
            rejected.append(f"none on {origin}" if origin == "PATH" else f"{origin} is not set")
            continue
        java = _probe(Path(program))
        if isinstance(java, Java) and java.version >= minimum:
            return java
        older = isinstance(java, Java) and f"{origin} has Java {java.version} ({program})"
        rejected.append(older or f"{origin} has no working {program} ({java})")
    raise EnvironmentNotReadyError(
        f"Java {minimum} or newer is needed: {', '.join(rejected)}",
        hint="install one (Debian: apt install default-jre-headless; macOS: brew install openjdk), or set JAVA_HOME",
    )


def major_version(output: str) -> int | None:
    """Returns the major version in the output of ``java -version``.

    It is 8 for 1.8.0, 17 for 17.0.15, and None for anything else.
    """
    match = _VERSION.search(output)
    if match is None:
        return None
    first, second = match.groups()
    return int(second) if first == "1" and second else int(first)


def _probe(program: Path) -> Java | str:
    """Returns the Java, or a short reason why it does not start."""
    # One start prints the version and the home. `java` may be a link or a launcher in another folder.
    command = [str(program), "-XshowSettings:properties", "-version"]
    try:
        done = subprocess.run(
            command, env=inherited() | UTF8, capture_output=True, text=True, errors="replace", timeout=30, check=False
        )
    except OSError as error:
        return error.strerror or "it cannot be started"
    except subprocess.TimeoutExpired:
        return "it does not end"
    # Java prints options from variables first, with their values.
    lines = [line for line in done.stderr.splitlines() if not _PICKED_UP.match(line)]
    output = "\n".join(lines)
    version, home = major_version(output), _HOME.search(output)
    if done.returncode != 0 or version is None or home is None:
        return next((line.strip()[:200] for line in lines if line.strip()), f"exit code {done.returncode}")
    build = " ".join(line.strip() for line in lines if "build" in line)
    return Java(program, Path(home[1].strip()), version, build)


def child_environment(java: Java, **more: str) -> dict[str, str]:
    """Returns a child's environment: UTF-8, and the Java that was found."""
    return inherited() | UTF8 | {"JAVA_HOME": str(java.home)} | more
