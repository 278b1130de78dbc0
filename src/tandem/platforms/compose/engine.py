"""The Docker engine: whether one answers, and in which words it is said when none does."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tandem.errors import EnvironmentNotReadyError
from tandem.foreign import inherited

# `include` with several files each; the first version that has it without a known fault.
MINIMUM_COMPOSE = (2, 20)
_MINIMUM_MEMORY_GIB = 4
# A driver and a worker more.
_FURTHER_JOB_GIB = 3
_PATIENCE_S = 15
_HINT = "start Docker, or use `--profile embedded`, which needs none"


@dataclass(frozen=True)
class Engine:
    """An engine that answers.

    Attributes:
        host: its address, as Docker's current context has it.
        memory: what it can give to containers, in bytes.
        compose: the version of Compose.
    """

    host: str
    memory: int
    compose: str = ""


def checkout() -> Path:
    """Returns the folder of ``docker-compose.yml``.

    Raises:
        EnvironmentNotReadyError: Tandem was installed without it.
    """
    folder = Path(__file__).parents[4]
    if (folder / "docker-compose.yml").is_file():
        return folder
    raise EnvironmentNotReadyError(
        "docker-compose.yml is not there: this Tandem is no checkout",
        hint="clone the repository, or use `--profile embedded`",
    )


def find_engine() -> Engine:
    """Returns the engine that containers run on.

    Raises:
        EnvironmentNotReadyError: something is missing; the message names it.
    """
    checkout()
    if shutil.which("docker") is None:
        raise EnvironmentNotReadyError("there is no docker program on PATH", hint=_HINT)
    info = json.loads(_ask("info", "--format", "{{json .}}"))
    if not info.get("ServerVersion"):
        errors = " ".join(info.get("ServerErrors") or ["no answer"])
        raise EnvironmentNotReadyError(_reason(errors), hint=_HINT)
    found = re.match(r"v?(\d+)\.(\d+)", _ask("compose", "version", "--short"))
    if found is None or (int(found[1]), int(found[2])) < MINIMUM_COMPOSE:
        wanted = ".".join(map(str, MINIMUM_COMPOSE))
        raise EnvironmentNotReadyError(
            f"Docker Compose {wanted} or newer is needed, and {found[0] if found else 'none'} is installed",
            hint="install the Compose plugin (Debian: docker-compose-v2 or docker-compose)",
        )
    host = _ask("context", "inspect", "--format", "{{.Endpoints.docker.Host}}")
    return Engine(host=host, memory=int(info.get("MemTotal") or 0), compose=found[0])


def check_memory(engine: Engine, jobs: int = 1) -> None:
    """Raises when the engine's memory cannot hold the environment.

    Args:
        engine: an engine.
        jobs: how many pipelines' jobs are to run.

    Raises:
        EnvironmentNotReadyError: it has less than is needed.
    """
    gib, needed = engine.memory / 2**30, _MINIMUM_MEMORY_GIB + (jobs - 1) * _FURTHER_JOB_GIB
    if gib < needed:
        raise EnvironmentNotReadyError(
            f"the Docker engine has {gib:.1f} GiB of memory, and the containers need {needed}",
            hint="give it more (Docker Desktop: Settings, Resources), or use `--profile embedded`",
        )


def _ask(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["docker", *arguments], env=inherited(), capture_output=True, text=True, timeout=_PATIENCE_S, check=False
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
    if "is not a docker command" in text:
        return "Docker has no Compose plugin"
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return f"no Docker engine answers: {lines[0][:200] if lines else 'docker said nothing'}"
