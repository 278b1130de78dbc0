"""Chooses the variables and the locale of every child program."""

from __future__ import annotations

import os
import re
import site
import sys
from collections.abc import Mapping
from pathlib import Path

import structlog

from tandem.foreign import java_options, proxies

_PATH = "PYTHONPATH"
# Variables that would select another Spark, other files or another project, by the reason that the doctor gives.
_CLEARED = {
    "it is for another Spark": re.compile(r"(PY)?SPARK_\w+"),
    "it is for another Hadoop": re.compile(r"HADOOP_\w+|YARN_CONF_DIR|HIVE_CONF_DIR"),
    "each program has a class path of its own": re.compile(r"CLASSPATH"),
    "it is for another Python": re.compile(r"PYTHONHOME|PYTHONINSPECT|PIP_(USER|PREFIX|TARGET|ROOT)"),
    "it is for another Compose project": re.compile(
        r"COMPOSE_(FILE|PATH_SEPARATOR|PROJECT_NAME|PROFILES|ENV_FILES|DISABLE_ENV_FILE|REMOVE_ORPHANS)"
    ),
    "images need BuildKit": re.compile(r"DOCKER_BUILDKIT|COMPOSE_DOCKER_CLI_BUILD"),
}
_OBEYED = re.compile(
    r"(HTTPS?|ALL|NO)_PROXY|(https?|all|no)_proxy|DOCKER_(HOST|CONTEXT|CONFIG|DEFAULT_PLATFORM|TLS_VERIFY|CERT_PATH)"
    r"|JAVA_HOME|LD_PRELOAD|LD_LIBRARY_PATH|DYLD_\w+|OTEL_\w+|OPENLINEAGE_\w+"
)
_log = structlog.get_logger(__name__)
# Java and Python read arguments and file names by it: in the locale C a path with an accent names another folder.
UTF8 = {"LC_ALL": "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8"}


def inherited(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Returns the variables that a program inherits, before those that Tandem sets.

    Args:
        environ: the variables of this process or another one.
    """
    kept = {name: value for name, value in environ.items() if _reason(name) is None}
    if _PATH in kept:
        kept[_PATH] = os.pathsep.join(entry for entry in _entries(environ) if not _holds_spark(entry))
    for name in java_options.VARIABLES:
        if name in kept:
            kept[name] = java_options.passed_on(kept[name])
    changed = {name for name in (_PATH, *java_options.VARIABLES) if kept.get(name) == ""}
    return {name: value for name, value in kept.items() if name not in changed} | proxies.for_clients(environ)


def adapt_this_process() -> None:
    """Removes other Sparks and proxies for loopback from this process's environment.

    Only for the process of a command line. All other variables stay, so that the doctor can report them.
    """
    os.environ.update(proxies.for_clients(os.environ))
    foreign = {str(Path(entry).absolute()) for entry in _entries(os.environ) if _holds_spark(entry)}
    sys.path[:] = [entry for entry in sys.path if str(Path(entry).absolute()) not in foreign]


def pass_to_libraries(**values: str) -> None:
    """Sets variables of this process for libraries that read their own."""
    os.environ.update(values)


def add_to_this_process(variables: Mapping[str, str]) -> None:
    """Sets variables without a value; programs that are started inherit them."""
    os.environ.update({name: value for name, value in variables.items() if not os.environ.get(name)})


def not_passed_on(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Returns the parts that no program inherits, by variable: ``""`` for all of it."""
    removed = {name: "" for name in sorted(environ) if _reason(name)}
    if other := [entry for entry in _entries(environ) if _holds_spark(entry)]:
        removed[_PATH] = os.pathsep.join(other)
    for name in java_options.VARIABLES:
        if left := java_options.left_out(environ.get(name, "")):
            removed[name] = " ".join(left)
    return removed


def log_not_passed_on() -> None:
    """Logs one line with the variables that no program gets."""
    if ignored := not_passed_on():
        names = ", ".join(f"{name} ({part})" if part else name for name, part in ignored.items())
        _log.info("not passed on to any program; `tandem doctor` says why", variables=names)


def effects(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Returns the effect of each relevant variable, without its value.

    Some values are secret.
    """
    parts = not_passed_on(environ)
    answers = {}
    for name in sorted(environ):
        if reason := _reason(name):
            answers[name] = f"not passed on: {reason}"
        elif name in parts:
            answers[name] = f"passed on without {parts[name]}"
        elif name.upper() in proxies.PROXIES and proxies.on_this_machine(environ[name]):
            answers[name] = "used; the proxy is on this machine, and image builds in containers cannot reach it"
        elif name == _PATH or name in java_options.VARIABLES or _OBEYED.fullmatch(name):
            answers[name] = "used"
    return answers


def _reason(name: str) -> str | None:
    return next((reason for reason, pattern in _CLEARED.items() if pattern.fullmatch(name)), None)


def _entries(environ: Mapping[str, str]) -> list[str]:
    return [entry for entry in environ.get(_PATH, "").split(os.pathsep) if entry]


def _holds_spark(entry: str) -> bool:
    """Returns whether a folder or a zip has another Spark than Tandem's."""
    path = Path(entry)
    if path.suffix == ".zip":
        return path.name.startswith(("pyspark", "py4j"))
    if (path / "tandem").is_dir() or str(path.absolute()) in site.getsitepackages():
        return False
    return (path / "pyspark").is_dir() or (path / "py4j").is_dir()
