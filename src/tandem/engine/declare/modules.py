"""Makes a process import a package's changed files again."""

from __future__ import annotations

import importlib
import sys
from contextlib import suppress
from pathlib import Path


def forget(package: str) -> None:
    """Removes a package's modules, so that the next import reads their files."""
    for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
        cached: str | None = getattr(sys.modules.pop(name), "__cached__", None)
        if cached:
            # Python recognises a changed file by date and size only. A file saved twice in a second looks unchanged.
            with suppress(OSError):
                Path(cached).unlink()
    importlib.invalidate_caches()
