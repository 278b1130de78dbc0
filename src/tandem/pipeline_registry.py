"""The pipelines that an environment runs, each with a file of settings.

Commands write the files; the supervisor and the dashboard read them.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from tandem.errors import EnvironmentNotReadyError
from tandem.settings.model import Settings


def handed_on(file: Path) -> Settings:
    """Returns the settings that a command has written to a file for other processes.

    Raises:
        FileNotFoundError: there is no such file.
        EnvironmentNotReadyError: a command of another version of Tandem has written it.
    """
    try:
        return Settings.model_validate_json(file.read_text("utf-8"))
    except ValidationError:
        raise EnvironmentNotReadyError(
            f"the environment was started by another version of Tandem, whose {file} cannot be used",
            hint="`tandem down`, then `tandem up`",
        ) from None


class PipelineRegistry:
    """The pipelines to run, each with its settings.

    Each pipeline has a file with its settings as JSON. It is replaced atomically, so it can be read at any time.

    Args:
        folder: the folder of the files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> list[str]:
        """Returns their names in the order in which they were added."""
        files = []
        for file in self._folder.glob("*.json"):
            try:
                files.append((file.stat().st_mtime_ns, file.stem))
            except FileNotFoundError:  # removed since
                continue
        return [name for _, name in sorted(files)]

    def settings(self, name: str) -> Settings | None:
        """Returns the settings of a pipeline's job; None if it is not registered.

        Raises:
            EnvironmentNotReadyError: another version of Tandem registered it.
        """
        try:
            return handed_on(self._file(name))
        except FileNotFoundError:
            return None

    def all(self) -> list[Settings]:
        """Returns the settings of all pipelines; see ``settings``."""
        return [settings for settings in map(self.settings, self.names()) if settings]

    def readable(self) -> list[Settings]:
        """Returns the settings of all pipelines of this version of Tandem."""
        found: list[Settings] = []
        for name in self.names():
            with suppress(EnvironmentNotReadyError):
                found += filter(None, [self.settings(name)])
        return found

    def add(self, settings: Settings) -> None:
        """Adds a pipeline; a registered one stays unchanged."""
        if not self._file(settings.pipeline).exists():
            self._draft(settings).replace(self._file(settings.pipeline))

    def update(self, settings: Settings) -> None:
        """Replaces the settings of a registered pipeline.

        It keeps its position in the order.
        """
        draft, file = self._draft(settings), self._file(settings.pipeline)
        with suppress(FileNotFoundError):  # removed since
            came = file.stat().st_mtime_ns
            os.utime(draft, ns=(came, came))
            draft.replace(file)

    def remove(self, name: str) -> None:
        """Removes a pipeline, if it is registered."""
        self._file(name).unlink(missing_ok=True)
        self._restart_request(name).unlink(missing_ok=True)

    def clear(self) -> None:
        """Removes all pipelines."""
        for name in self.names():
            self.remove(name)

    def ask_restart(self, name: str) -> None:
        """Requests a restart of a pipeline's driver."""
        self._restart_request(name).touch()

    def asked_restart(self, name: str) -> bool:
        """Returns whether a restart was requested, once for each request."""
        try:
            self._restart_request(name).unlink()
        except FileNotFoundError:
            return False
        return True

    def _draft(self, settings: Settings) -> Path:
        draft = self._folder / f".{settings.pipeline}"
        draft.write_text(settings.model_dump_json(indent=2), "utf-8")
        return draft

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    def _restart_request(self, name: str) -> Path:
        return self._folder / f"{name}.restart"
