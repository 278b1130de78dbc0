"""Installs Python packages for a single program, beside the cache of jars."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tandem.errors import EnvironmentNotReadyError
from tandem.foreign import inherited


def installed(name: str, requirements: Sequence[str], cache: Path) -> Path:
    """Returns the folder of packages for a program's PYTHONPATH.

    They are installed now or were installed by an earlier run.

    Args:
        name: the program's name.
        requirements: pip requirements with versions.
        cache: the folder of all downloads.

    Raises:
        EnvironmentNotReadyError: they cannot be installed.
    """
    digest = hashlib.sha256(repr((sys.version, sorted(requirements))).encode()).hexdigest()[:16]
    folder = cache / "packages" / f"{name}-{digest}"
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=folder.parent))
    try:
        command = (
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            # pip compares with the packages installed here, which the program does not see.
            "--no-warn-conflicts",
            "--target",
            str(draft),
        )
        done = subprocess.run((*command, *requirements), env=inherited(), stdout=sys.stderr, check=False)
        if done.returncode != 0:
            raise EnvironmentNotReadyError(
                f"the packages of {name} could not be installed", hint="see the messages above; check the network"
            )
        try:
            draft.rename(folder)
        except OSError:
            # Another process has installed the same ones meanwhile.
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder
