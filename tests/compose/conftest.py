"""Containers for the layer: a Compose project and ports of its own. Without an engine the layer is skipped."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator

import docker
import pytest

from tandem.errors import EnvironmentNotReadyError
from tandem.platforms.compose.containers import Containers
from tandem.platforms.compose.engine import find_engine
from tandem.settings.load import load
from tests import ROOT, STATE
from tests.environment import Environment

PROJECT, FIRST_PORT = "tandem-tests", 29780
# Of the specification's reference implementation.
_DEVCONTAINERS = "@devcontainers/cli@0.89.0"
_JAVA_OPTIONS = ("spark.driver.extraJavaOptions", "spark.executor.extraJavaOptions")


class Stack(Environment):
    """The environment of containers, with the engine's own view of it."""

    def compose(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Returns a finished ``docker compose``, called as a user calls it: by ``.env`` and the environment alone."""
        done = subprocess.run(
            ["docker", "compose", *arguments],
            cwd=ROOT,
            env=self.variables,
            capture_output=True,
            text=True,
            timeout=1500,
            check=False,
        )
        assert done.returncode == code, f"{arguments}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    @property
    def containers(self) -> Containers:
        return Containers(find_engine())


@pytest.fixture(scope="package")
def client() -> Iterator[docker.DockerClient]:
    try:
        host = find_engine().host
    except EnvironmentNotReadyError as error:
        pytest.skip(f"{error}: the containers are not tested")
    found = docker.DockerClient(base_url=host)
    yield found
    found.close()


@pytest.fixture(scope="package")
def stack(client: docker.DockerClient) -> Iterator[Stack]:
    """Nothing runs yet. The images are those of this checkout, and built when they are not: minutes, the first time."""
    local = load("local")
    # As in tests/conftest.py, which containers do not see.
    spark = {name: f"{local.spark[name]} -XX:TieredStopAtLevel=1" for name in _JAVA_OPTIONS}
    extra = (
        ("TANDEM_PROJECT", PROJECT),
        # What a registry serves cannot be tested where none is; both kinds share one contract.
        ("TANDEM_IMAGES", "built"),
        ("TANDEM_JOB__IDLE_TIMEOUT_SECONDS", "5"),
        ("TANDEM_UI__PROMETHEUS_PORT", str(FIRST_PORT + 6)),
        ("TANDEM_UI__GRAFANA_PORT", str(FIRST_PORT + 7)),
        ("TANDEM_SPARK", json.dumps(spark)),
        *((("TANDEM_CA", str(local.ca)),) if local.ca else ()),
    )
    found = Stack(STATE / "compose", FIRST_PORT, extra, "local")
    found.tandem("down", "--volumes")
    # Compose itself takes whatever has the tag, however old.
    found.compose("build")
    try:
        yield found
    finally:
        found.tandem("down", "--volumes", code=None)


@pytest.fixture(scope="package")
def devcontainer(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Returns the program."""
    if shutil.which("npm") is None:
        pytest.skip("there is no npm on PATH to install the dev container's CLI with")
    folder = tmp_path_factory.mktemp("cli")
    subprocess.run(["npm", "install", "--silent", "--prefix", folder, _DEVCONTAINERS], check=True, timeout=300)
    return str(folder / "node_modules" / ".bin" / "devcontainer")
