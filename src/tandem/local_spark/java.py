"""Finds a Java that Spark accepts."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tandem.errors import EnvironmentNotReadyError
from tandem.foreign import inherited, java_options
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
    refusal: EnvironmentNotReadyError | None = None
    for origin, program in (("JAVA_HOME", java_home and java_home / "bin" / "java"), ("PATH", shutil.which("java"))):
        if program is None:
            rejected.append(f"none on {origin}" if origin == "PATH" else f"{origin} is not set")
            continue
        java = _probe(Path(program))
        if isinstance(java, Java) and java.version >= minimum:
            return java
        refusal = refusal or _refusal(Path(program), minimum)
        older = isinstance(java, Java) and f"{origin} has Java {java.version} ({program})"
        rejected.append(older or f"{origin} has no working {program} ({java})")
    raise refusal or EnvironmentNotReadyError(
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


def _refusal(program: Path, minimum: int) -> EnvironmentNotReadyError | None:
    """Returns which option of a variable keeps a Java from starting.

    None if it is no variable that does.
    """
    environment = inherited()
    found = {name: environment.pop(name) for name in java_options.VARIABLES if name in environment}
    bare = _probe(program, environment) if found else ""
    if isinstance(bare, str) or bare.version < minimum:
        return None
    for name, options in found.items():
        reason = _probe(program, {**environment, name: options})
        if isinstance(reason, Java):
            continue
        # Some options are refused only beside others.
        words = (
            word
            for word in java_options.words(options)
            if isinstance(_probe(program, {**environment, name: word}), str)
        )
        option = next(map(java_options.name_of, words), "an option")
        return EnvironmentNotReadyError(
            f"{program} does not start with {option} in {name}: {reason}",
            hint=f"remove it from {name}; Java {bare.version} does not take it",
        )
    return None


def _probe(program: Path, environment: Mapping[str, str] | None = None) -> Java | str:
    """Returns the Java, or a short reason why it does not start.

    Args:
        program: the ``java`` program.
        environment: its variables; None for those that all programs inherit.
    """
    # One start prints the version and the home. `java` may be a link or a launcher in another folder.
    command = [str(program), "-XshowSettings:properties", "-version"]
    variables = dict(inherited() if environment is None else environment) | UTF8
    try:
        done = subprocess.run(
            command, env=variables, capture_output=True, text=True, errors="replace", timeout=30, check=False
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
