"""Makes a process read an imported package's files again."""

from __future__ import annotations

import importlib
import sys
from contextlib import suppress
from pathlib import Path


def forget(package: str) -> None:
    """Lets the next import of any of the package's modules read its file."""
    for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
        cached: str | None = getattr(sys.modules.pop(name), "__cached__", None)
        if cached:
            # By its date and size alone, what was saved twice in a second would be taken for the same.
            with suppress(OSError):
                Path(cached).unlink()
    importlib.invalidate_caches()
