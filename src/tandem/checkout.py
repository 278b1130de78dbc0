"""Finds Tandem's checkout and the folder of the environments' state."""

from __future__ import annotations

from pathlib import Path

# The folder of environments' state.
STATE = ".tandem"


def checkout() -> Path | None:
    """Returns the folder of ``docker-compose.yml``.

    None if Tandem was installed without it.
    """
    folder = Path(__file__).parents[2]
    return folder if (folder / "docker-compose.yml").is_file() else None


def state_folder() -> Path:
    """Returns the default folder of the environments' state.

    The current folder does not matter: a command in any folder finds what another one has started. A Tandem without a
    checkout keeps its state in the Git repository around the current folder, or in that folder itself.
    """
    here = Path.cwd()
    repository = next((each for each in (here, *here.parents) if (each / ".git").exists()), here)
    return (checkout() or repository) / STATE
