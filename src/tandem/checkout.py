"""Finds Tandem's checkout, the project of containers, and the state folder."""

from __future__ import annotations

from pathlib import Path

# The folder of environments' state.
STATE = ".tandem"
# What containers need, in a project without a checkout.
COPY = f"{STATE}/containers"
COMPOSE_FILE = "docker-compose.yml"


def checkout() -> Path | None:
    """Returns the folder of ``docker-compose.yml``.

    None if Tandem was installed without it.
    """
    folder = Path(__file__).parents[2]
    return folder if (folder / COMPOSE_FILE).is_file() else None


def project_folder() -> Path | None:
    """Returns the folder in which ``docker compose`` runs Tandem's containers.

    It is the checkout. Without one, it is the current folder, if its ``docker-compose.yml`` includes the copy of what
    containers need. None if it does not.
    """
    file = Path.cwd() / COMPOSE_FILE
    return checkout() or (file.parent if file.is_file() and COPY in file.read_text("utf-8", "replace") else None)


def fragments(project: Path) -> Path:
    """Returns the folder of ``compose/`` and ``src/`` that a project's containers use."""
    return project if checkout() else project / COPY


def state_folder() -> Path:
    """Returns the default folder of the environments' state.

    The current folder does not matter: a command in any folder finds what another one has started. A Tandem without a
    checkout keeps its state in the Git repository around the current folder, or in that folder itself.
    """
    here = Path.cwd()
    repository = next((each for each in (here, *here.parents) if (each / ".git").exists()), here)
    return (checkout() or repository) / STATE
