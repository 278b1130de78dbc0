"""Finds Tandem's checkout, the user's project, and the state folder."""

from __future__ import annotations

from pathlib import Path

# The folder of environments' state.
STATE = ".tandem"
# What containers need, in a project without a checkout.
COPY = f"{STATE}/containers"
COMPOSE_FILE = "docker-compose.yml"
# The record of `tandem init`, and the user's profiles. Either makes a folder a project.
RECORD, PROFILES = ".tandem-init.json", "tandem.toml"


def checkout() -> Path | None:
    """Returns the folder of ``docker-compose.yml``.

    None if Tandem was installed without it.
    """
    folder = Path(__file__).parents[2]
    return folder if (folder / COMPOSE_FILE).is_file() else None


def project_root() -> Path:
    """Returns the folder of the user's profiles and pipelines.

    It is the nearest folder with a project's files, from the current one upwards; else the current one.
    """
    return _marked() or Path.cwd()


def _marked() -> Path | None:
    here = Path.cwd()
    return next(
        (each for each in (here, *here.parents) if any((each / mark).is_file() for mark in (RECORD, PROFILES))), None
    )


def project_folder() -> Path | None:
    """Returns the folder in which ``docker compose`` runs Tandem's containers.

    It is the checkout. Without one, it is the project, if its ``docker-compose.yml`` includes the copy of what
    containers need. None if it does not.
    """
    file = project_root() / COMPOSE_FILE
    return checkout() or (file.parent if file.is_file() and COPY in file.read_text("utf-8", "replace") else None)


def fragments(project: Path) -> Path:
    """Returns the folder of ``compose/`` and ``src/`` that a project's containers use."""
    return project if checkout() else project / COPY


def state_folder() -> Path:
    """Returns the default folder of the environments' state.

    The current folder does not matter: a command in any folder finds what another one has started. A Tandem without a
    checkout keeps its state in the project around the current folder, else in the Git repository, else in that folder.
    """
    here = Path.cwd()
    repository = next((each for each in (here, *here.parents) if (each / ".git").exists()), here)
    return (checkout() or _marked() or repository) / STATE
