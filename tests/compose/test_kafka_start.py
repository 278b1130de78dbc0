"""The broker's first start, whatever the random id of its cluster: one in 64 begins with a dash."""

from __future__ import annotations

import shutil
from pathlib import Path

import docker
import pytest

from tests import ROOT
from tests.compose.conftest import Stack

IN_ONE_WORD, IN_TWO_WORDS = '"--cluster-id=$cluster"', '--cluster-id "$cluster"'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The broker's files, and beside them a ``base64`` that makes such an id."""
    shutil.copytree(ROOT / "compose" / "kafka", tmp_path / "tandem")
    shim = tmp_path / "bin" / "base64"
    shim.parent.mkdir()
    shim.write_text("#!/bin/sh\ncat >/dev/null\necho '+AAAAAAAAAAAAAAAAAAAAA=='\n")
    shim.chmod(0o755)
    return tmp_path


def log_of_start(client: docker.DockerClient, folder: Path) -> str:
    """Returns what a broker says until it has started or ended."""
    container = client.containers.create(
        "tandem/kafka:0.1.0",
        ["bash", "-c", 'PATH="/shim:$PATH" exec bash /etc/tandem/start.sh'],
        user="1000",
        environment={"HOST_PORT": "19092"},
        volumes={
            str(folder / "tandem"): {"bind": "/etc/tandem", "mode": "ro"},
            str(folder / "bin"): {"bind": "/shim", "mode": "ro"},
        },
    )
    log = ""
    try:
        container.start()
        for piece in container.logs(stream=True, follow=True):
            log += piece.decode(errors="replace")
            if "Kafka Server started" in log:
                break
        return log
    finally:
        container.remove(force=True, v=True)


def test_an_id_that_begins_with_a_dash_is_none_of_kafkas_options(
    stack: Stack, client: docker.DockerClient, folder: Path
) -> None:
    assert "Kafka Server started" in log_of_start(client, folder)


def test_without_the_care_it_would_be_one(stack: Stack, client: docker.DockerClient, folder: Path) -> None:
    start = folder / "tandem" / "start.sh"
    careful = start.read_text()
    start.write_text(careful.replace(IN_ONE_WORD, IN_TWO_WORDS))
    assert start.read_text() != careful
    log = log_of_start(client, folder)
    assert "expected one argument" in log
    assert "Kafka Server started" not in log
