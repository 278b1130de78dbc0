"""A clone as a machine makes it whose git, or whose umask, is set up in another way."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests import ROOT


def clone_into(folder: Path) -> Path:
    """Returns a clone of what is committed, made with umask 077 and core.autocrlf=true; skips where there is no git."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("this is no git checkout")
    command = ["git", "clone", "--quiet", "--config", "core.autocrlf=true", "--no-local", "--depth", "1"]
    subprocess.run([*command, f"file://{ROOT}", str(folder)], umask=0o077, check=True)
    return folder
