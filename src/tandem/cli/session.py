"""What every command shares: the profile's settings and its platform, loaded when first asked for."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cached_property

from rich.console import Console

from tandem.platforms import default_profile, platform_for
from tandem.platforms.base import Platform
from tandem.settings.load import chosen_profile, load
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
        name, why = self.chosen
        settings = load(name, {"pipeline": self.pipeline} if self.pipeline else None)
        print(f"tandem: profile {settings.profile}, backend {settings.backend} ({why})", file=sys.stderr)
        return settings

    @cached_property
    def platform(self) -> Platform:
        """What starts and stops this profile's environment."""
        return platform_for(self.settings)

    @cached_property
    def out(self) -> Console:
        """Standard output: the command's data."""
        return Console(highlight=False)

    def say(self, text: str) -> None:
        """Prints a line for the user to standard error."""
        print(text, file=sys.stderr, flush=True)
