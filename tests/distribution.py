"""Builds Tandem's source distribution and wheel, with the locked tools."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def build(kind: str, source: Path, folder: Path) -> Path:
    """Returns the file that was built.

    Args:
        kind: ``sdist`` or ``wheel``.
        source: a checkout, or an unpacked source distribution.
        folder: an empty folder for the file.
    """
    command = [sys.executable, "-m", "hatchling", "build", "--target", kind, "--directory", str(folder)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (file,) = folder.iterdir()
    return file
