"""Every command of the README's section about containers is run as it stands there; the others in tests/integration."""

from __future__ import annotations

from tests.compose.conftest import PROJECT, Stack
from tests.readme import CONTAINERS, commands, run


def test_every_command_works(stack: Stack) -> None:
    found = commands(CONTAINERS)
    assert found[0].startswith("docker compose up")
    for command in found:
        run(command, stack.variables)
    assert stack.containers.of(PROJECT) == {}
    assert stack.containers.volumes(PROJECT) == []
