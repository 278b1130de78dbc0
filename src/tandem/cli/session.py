"""What every command shares: the profile's settings and its platform, loaded when first asked for."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

from rich.console import Console

from tandem.errors import TandemError, UsageError
from tandem.platforms import default_profile, platform_for
from tandem.platforms.apart import check_apart
from tandem.platforms.base import Platform
from tandem.settings.load import chosen_profile, load, read_settings
from tandem.settings.loaded import LoadedSettings
from tandem.settings.model import Settings


@dataclass
class Session:
    """One run of the command line."""

    profile: str | None = None
    # As it was named on the command line; it may name several.
    pipeline: str | None = None
    debug: bool = False
    # The line that names the profile is for the first pipeline's.
    announces: bool = True
    # Not for a pipeline that only runs beside those that the command line names.
    named: bool = True

    @cached_property
    def chosen(self) -> tuple[str, str]:
        """The profile's name, and why it is this one."""
        return chosen_profile(self.profile) or default_profile()

    @cached_property
    def loaded(self) -> LoadedSettings:
        """The profile's settings and where they come from, as ``settings.load`` has read them."""
        return read_settings(self.chosen[0], self._overrides, named=self.named)

    @cached_property
    def settings(self) -> Settings:
        """The profile's settings; the first use prints the profile, the command line's first line on standard error."""
        return self._announced(self.loaded.complete())

    @cached_property
    def shown_settings(self) -> Settings:
        """The same for display: what is required may be missing."""
        return self._announced(self.loaded.shown())

    def refresh(self) -> bool:
        """Loads the settings again, for one pipeline; returns whether a file has changed them.

        Raises:
            UsageError: they are wrong now; the session keeps those from before.
        """
        loaded = read_settings(self.chosen[0], self._overrides, named=self.named)
        settings = loaded.complete()
        if settings == self.settings:
            return False
        self.loaded, self.settings = loaded, settings
        self.__dict__.pop("platform", None)
        return True

    @cached_property
    def each(self) -> list[Session]:
        """A session for each pipeline that is named; the first one is this."""
        _, *others = self.loaded.pipelines
        return [self, *(Session(self.chosen[0], name, self.debug, announces=False) for name in others)]

    def for_each(self, do: Callable[[Session], object], *, titles: bool = True) -> None:
        """Does something for each pipeline that is named; that it fails for one keeps no other one from it.

        Args:
            do: what; given the pipeline's session.
            titles: whether to say before, where several are named, which one comes.

        Raises:
            TandemError: it failed for one: as it did where only one is named, else with the names of all such.
        """
        failed: dict[str, TandemError] = {}
        for session in self.each:
            name = session.settings.pipeline
            if titles and len(self.each) > 1:
                self.say(f"pipeline {name}:")
            try:
                do(session)
            except TandemError as error:
                if len(self.each) == 1:
                    raise
                self.say(f"error: {name}: {error}\nhint: {error.hint}")
                failed[name] = error
        if failed:
            first = next(iter(failed.values()))
            raise type(first)(f"failed for {', '.join(failed)}", hint="see the errors above") from first

    def check_apart(self) -> None:
        """Raises when a pipeline that is named would write where another one does that is named, too, or runs already.

        Raises:
            UsageError: the message names both.
        """
        found = [each.settings for each in self.each]
        names = {settings.pipeline for settings in found}
        for name in self.platform.pipelines():
            # What runs may be of another folder than this one.
            with suppress(UsageError):
                found += [] if name in names else [load(self.chosen[0], {"pipeline": name}, named=False)]
        check_apart(found)

    @cached_property
    def platform(self) -> Platform:
        """What starts and stops this profile's environment."""
        return platform_for(self.settings)

    @cached_property
    def out(self) -> Console:
        """Standard output: the command's data."""
        return Console(highlight=False)

    @property
    def _overrides(self) -> dict[str, str] | None:
        return {"pipeline": self.pipeline} if self.pipeline else None

    def _announced(self, settings: Settings) -> Settings:
        if self.announces:
            why = self.chosen[1]
            print(f"tandem: profile {settings.profile}, backend {settings.backend} ({why})", file=sys.stderr)
        return settings

    def say(self, text: str) -> None:
        """Prints a line for the user to standard error."""
        print(text, file=sys.stderr, flush=True)
