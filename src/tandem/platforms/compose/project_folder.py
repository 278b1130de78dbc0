"""Finds the folder in which Docker Compose runs, with what containers need."""

from __future__ import annotations

from pathlib import Path

from tandem import checkout
from tandem.container_files import copy_into
from tandem.errors import EnvironmentNotReadyError


def project_folder() -> Path:
    """Returns the checkout, or the project around the current folder.

    Raises:
        EnvironmentNotReadyError: Tandem was installed without a checkout, and the folder is not a project.
    """
    folder = checkout.project_folder()
    if folder is None:
        raise EnvironmentNotReadyError(
            f"{checkout.project_root()} has no docker-compose.yml with Tandem's containers",
            hint="`tandem init` writes one into an empty folder; or use `--profile embedded`",
        )
    if not checkout.fragments(folder).is_dir():
        copy_into(folder)
    return folder


def renewed_folder() -> Path:
    """Returns the same folder, after making its copy equal to the installed version.

    Raises:
        EnvironmentNotReadyError: there is none, or the copy cannot be written.
    """
    folder = project_folder()
    if checkout.fragments(folder) != folder:
        copy_into(folder)
    return folder
