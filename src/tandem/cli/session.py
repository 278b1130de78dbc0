"""What every command shares: the profile's settings and its platform, loaded when first asked for."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cached_property

from rich.console import Console

from tandem.platforms import default_profile, platform_for
from tandem.platforms.base import Platform
from tandem.settings.load import chosen_profile, load, load_with_origins
from tandem.settings.model import Settings


@dataclass
class Session:
    """One run of the command line."""

    profile: str | None = None
    pipeline: str | None = None
    debug: bool = False

    @cached_property
    def chosen(self) -> tuple[str, str]:
        """The profile's name, and why it is this one."""
        return chosen_profile(self.profile) or default_profile()

    @cached_property
    def settings(self) -> Settings:
        """The profile's settings; the first use prints the profile, the command line's first line on standard error."""
        return self._announced(load(self.chosen[0], self._named))

    @cached_property
    def incomplete_settings(self) -> Settings:
        """The same where what is required need not be set, for showing only; see ``settings.load``."""
        return self._announced(load(self.chosen[0], self._named, incomplete=True))

    @cached_property
    def with_origins(self) -> tuple[Settings, dict[str, str]]:
        """Those, and where each value comes from; see ``settings.load_with_origins``."""
        settings, places = load_with_origins(self.chosen[0], self._named)
        return self._announced(settings), places

    @cached_property
    def platform(self) -> Platform:
        """What starts and stops this profile's environment."""
        return platform_for(self.settings)

    @cached_property
    def out(self) -> Console:
        """Standard output: the command's data."""
        return Console(highlight=False)

    @property
    def _named(self) -> dict[str, str] | None:
        return {"pipeline": self.pipeline} if self.pipeline else None

    def _announced(self, settings: Settings) -> Settings:
        why = self.chosen[1]
        print(f"tandem: profile {settings.profile}, backend {settings.backend} ({why})", file=sys.stderr)
        return settings

    def say(self, text: str) -> None:
        """Prints a line for the user to standard error."""
        print(text, file=sys.stderr, flush=True)
