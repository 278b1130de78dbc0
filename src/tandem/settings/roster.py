"""Which pipelines an environment runs: a file for each, written by commands, read by supervisor and dashboard."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from tandem.settings.model import Settings


class Roster:
    """The pipelines whose jobs are to run. A file is there whole or not at all, so that anyone may look at any time.

    Args:
        folder: where the files are.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> list[str]:
        """Returns them in the order in which they came: the first one first."""
        found = []
        for file in self._folder.glob("*.json"):
            try:
                found.append((file.stat().st_mtime_ns, file.stem))
            except FileNotFoundError:  # removed since
                continue
        return [name for _, name in sorted(found)]

    def settings(self, name: str) -> Settings | None:
        """Returns the settings with which a pipeline's job runs; None when it is not to run."""
        try:
            return Settings.model_validate_json(self._file(name).read_text("utf-8"))
        except FileNotFoundError:
            return None

    def all(self) -> list[Settings]:
        """Returns the settings of all."""
        return [settings for settings in map(self.settings, self.names()) if settings]

    def add(self, settings: Settings) -> None:
        """Adds one; one that is there stays as it is."""
        if not self._file(settings.pipeline).exists():
            self._draft(settings).replace(self._file(settings.pipeline))

    def update(self, settings: Settings) -> None:
        """Changes the settings of one that is there; it keeps its place in the order."""
        draft, file = self._draft(settings), self._file(settings.pipeline)
        with suppress(FileNotFoundError):  # removed since
            came = file.stat().st_mtime_ns
            os.utime(draft, ns=(came, came))
            draft.replace(file)

    def remove(self, name: str) -> None:
        """Removes one, if it is there."""
        self._file(name).unlink(missing_ok=True)
        self._wish(name).unlink(missing_ok=True)

    def clear(self) -> None:
        """Removes all."""
        for name in self.names():
            self.remove(name)

    def ask_restart(self, name: str) -> None:
        """Asks that a pipeline's driver be started anew."""
        self._wish(name).touch()

    def asked_restart(self, name: str) -> bool:
        """Returns whether that was asked, once for each asking."""
        try:
            self._wish(name).unlink()
        except FileNotFoundError:
            return False
        return True

    def _draft(self, settings: Settings) -> Path:
        draft = self._folder / f".{settings.pipeline}"
        draft.write_text(settings.model_dump_json(indent=2), "utf-8")
        return draft

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    def _wish(self, name: str) -> Path:
        return self._folder / f"{name}.restart"
