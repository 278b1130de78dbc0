"""Finds the Docker engine and explains why none can be used."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tandem.errors import EnvironmentNotReadyError
from tandem.foreign import inherited
from tandem.platforms.compose.docker_output import json_object
from tandem.platforms.compose.project_folder import project_folder

# The first version in which `include` with several files works.
MINIMUM_COMPOSE = (2, 20)
# From this version on, Compose builds only with the plugin, and rejects an older one.
_COMPOSE_WITH_BUILDX = (2, 40)
_MINIMUM_BUILDX = (0, 17)
# What was measured, not the sum of the containers' limits. An idle environment uses 2.5 GiB; its state has the rest.
_MINIMUM_MEMORY_GIB = 4
# For a further driver and worker. With two million rows in state they used 1.2 and 2.0 GiB.
_FURTHER_JOB_GIB = 3
_PATIENCE_S = 15
_HINT = "start Docker, or use `--profile embedded`, which needs none"

# Docker names it among its security options; Podman 4.3 does not.
_ROOTLESS = "name=rootless"

# The processors for which a package has MongoDB.
_OF_MONGO = ("x86_64", "amd64")


@dataclass(frozen=True)
class Engine:
    """A running Docker engine.

    Attributes:
        host: its address in Docker's current context.
        memory: its memory for containers, in bytes.
        compose: the version of Compose.
        architecture: its processors, as Docker names them; empty if unknown.
        podman: whether it is Podman's service, which answers as Docker does.
        rootless: whether a user runs it. Users in containers then have other ids on this machine.
    """

    host: str
    memory: int
    compose: str = ""
    architecture: str = ""
    podman: bool = False
    rootless: bool = False


def find_engine() -> Engine:
    """Returns the Docker engine.

    Raises:
        EnvironmentNotReadyError: something is missing; the message names it.
    """
    project_folder()
    if shutil.which("docker") is None:
        raise EnvironmentNotReadyError("there is no docker program on PATH", hint=_HINT)
    host = _host()
    _check_here(host)
    info = json_object(_ask("info", "--format", "{{json .}}"), "docker info")
    podman = _is_podman(info)
    if not info.get("ServerVersion"):
        errors = " ".join(info.get("ServerErrors") or ["no answer"])
        raise EnvironmentNotReadyError(_reason(errors), hint=_HINT)
    version = re.match(r"v?(\d+)\.(\d+)", _ask("compose", "version", "--short"))
    if version is None or (int(version[1]), int(version[2])) < MINIMUM_COMPOSE:
        wanted = ".".join(map(str, MINIMUM_COMPOSE))
        raise EnvironmentNotReadyError(
            f"Docker Compose {wanted} or newer is needed, but {version[0] if version else 'none'} is installed",
            hint="install the Compose plugin (Debian: docker-compose-v2 or docker-compose)",
        )
    return Engine(
        host=host,
        memory=int(info.get("MemTotal") or 0),
        compose=f"{version[1]}.{version[2]}",
        architecture=str(info.get("Architecture") or ""),
        podman=podman,
        rootless=_ROOTLESS in (info.get("SecurityOptions") or ()) or (podman and _is_of_a_user(host)),
    )


def check_builder(engine: Engine) -> str:
    """Returns the version of buildx, or a text that it is not needed.

    Raises:
        EnvironmentNotReadyError: Compose needs buildx, and it is missing or too old.
    """
    if engine.podman:
        return "not needed: Podman builds the images itself"
    if tuple(map(int, engine.compose.split("."))) < _COMPOSE_WITH_BUILDX:
        return f"not needed by Compose {engine.compose}"
    try:
        output = _ask("buildx", "version")
    except EnvironmentNotReadyError:
        output = ""
    match = re.search(r"buildx v?((\d+)\.(\d+)\S*)", output)
    if match is None or (int(match[2]), int(match[3])) < _MINIMUM_BUILDX:
        wanted = ".".join(map(str, _MINIMUM_BUILDX))
        raise EnvironmentNotReadyError(
            f"Compose {engine.compose} builds images with buildx {wanted} or newer, "
            f"but {match[1] if match else 'none'} is installed",
            hint="install it (Docker's packages: docker-buildx-plugin; Debian: docker-buildx), "
            "or use `--profile embedded`",
        )
    return match[1]


def check_mongo_image(engine: Engine, services: Mapping[str, Any]) -> None:
    """Raises if MongoDB's image must be built where no package has it.

    Args:
        engine: an engine.
        services: the services of the Compose project.

    Raises:
        EnvironmentNotReadyError: the image cannot be built.
    """
    if "build" in services.get("mongo", {}) and engine.architecture not in (*_OF_MONGO, ""):
        raise EnvironmentNotReadyError(
            f"MongoDB's image cannot be built for {engine.architecture}: its package is for x86_64 only",
            hint="use the official images: TANDEM_IMAGES=official; or a mongod on PATH, with `--profile embedded`",
        )


def check_memory(engine: Engine, jobs: int = 1) -> None:
    """Raises if the engine has too little memory.

    Args:
        engine: an engine.
        jobs: the number of jobs to run.

    Raises:
        EnvironmentNotReadyError: it has less than is needed.
    """
    gib, needed = engine.memory / 2**30, _MINIMUM_MEMORY_GIB + (jobs - 1) * _FURTHER_JOB_GIB
    if gib < needed:
        raise EnvironmentNotReadyError(
            f"the Docker engine has {gib:.1f} GiB of memory, but the containers need {needed}",
            hint="increase it (Docker Desktop: Settings, Resources), or use `--profile embedded`",
        )


def _host() -> str:
    """Returns the engine's address in Docker's current context.

    Empty without contexts.
    """
    try:
        return _ask("context", "inspect", "--format", "{{.Endpoints.docker.Host}}")
    except EnvironmentNotReadyError:
        return ""


def _check_here(host: str) -> None:
    """Raises if the engine is on another machine.

    That machine has neither the folder nor the ports.
    """
    try:
        address = urlsplit(host)
    except ValueError:
        # Of another program named docker; `docker info` shows it.
        return
    if address.scheme not in ("tcp", "ssh", "http", "https") or _is_here(address.hostname or ""):
        return
    environment = inherited()
    named = next((name for name in ("DOCKER_HOST", "DOCKER_CONTEXT") if environment.get(name)), None)
    raise EnvironmentNotReadyError(
        f"the Docker engine is on another machine, {address.scheme}://{address.hostname} "
        f"({f'by {named}' if named else 'by its current context'}): it has neither this folder nor these ports",
        hint=f"{f'unset {named}' if named else '`docker context use default`'}, or use `--profile embedded`",
    )


def _is_here(host: str) -> bool:
    """Returns whether a host is this machine, for a client on it."""
    try:
        # A client that connects to 0.0.0.0 or to :: reaches its own machine.
        return (address := ip_address(host)).is_loopback or address.is_unspecified
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _is_of_a_user(host: str) -> bool:
    """Returns whether the engine's socket belongs to another user than root."""
    socket = Path(urlsplit(host).path)
    return host.startswith("unix://") and socket.exists() and socket.stat().st_uid != 0


def _is_podman(info: dict[str, Any]) -> bool:
    """Returns whether Podman's service answers Docker's program.

    Raises:
        EnvironmentNotReadyError: the program itself is Podman's, which cannot run the compose files.
    """
    if "host" in info and "ServerVersion" not in info:
        raise EnvironmentNotReadyError(
            "`docker` is Podman's own program here, but the compose files need Docker's program and its Compose plugin",
            hint="install these and set DOCKER_HOST to Podman's socket (docs/guides/podman.md), "
            "or use `--profile embedded`, which needs none",
        )
    return bool(info.get("ServerVersion")) and "Podman" in _ask("version", "--format", "{{json .Server}}")


def _ask(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["docker", *arguments],
            env=inherited(),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise EnvironmentNotReadyError(f"the Docker engine did not answer in {_PATIENCE_S} s", hint=_HINT) from None
    except OSError as error:
        raise EnvironmentNotReadyError(f"docker cannot be run: {error.strerror}", hint=_HINT) from None
    if done.returncode != 0 and not done.stdout.strip():
        raise EnvironmentNotReadyError(_reason(done.stderr), hint=_HINT)
    return done.stdout.strip()


def _reason(text: str) -> str:
    if "permission denied" in text.lower():
        return "this user may not talk to the Docker engine (permission denied on its socket)"
    if "is not a docker command" in text or "unknown command: docker compose" in text:
        return "Docker has no Compose plugin"
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return f"no Docker engine answers: {lines[0][:200] if lines else 'docker printed nothing'}"
