"""The state that commands share: settings, environment and jobs, loaded when used."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from rich.console import Console

from tandem.documentation import located
from tandem.errors import TandemError
from tandem.platforms import Environment, Job, default_profile, environment_for
from tandem.platforms.conflicts import check_conflicts
from tandem.settings.load import chosen_profile, load, read_settings
from tandem.settings.loaded import LoadedSettings
from tandem.settings.model import Settings

# A command in a message, and whether it is for all pipelines.
_COMMAND = re.compile(r"`tandem (?!--help\b)([^`]+)`( without --pipeline)?")
# Commands that are not about the pipelines of an environment.
_ABOUT_NO_PIPELINE = {"init", "new", "profile"}


@dataclass
class CommandContext:
    """One run of the command line.

    Attributes:
        profile: the profile named on the command line.
        pipeline: the pipeline named on the command line, or several, separated by commas.
        debug: whether to show the stack trace of an error.
        announces: whether the first use of the settings prints the profile.
    """

    profile: str | None = None
    pipeline: str | None = None
    debug: bool = False
    announces: bool = True

    @cached_property
    def chosen(self) -> tuple[str, str]:
        """The profile's name, and why it was chosen."""
        return chosen_profile(self.profile) or default_profile()

    @cached_property
    def loaded(self) -> LoadedSettings:
        """The first named pipeline's settings and their origins."""
        return self._read()

    @cached_property
    def loaded_each(self) -> list[LoadedSettings]:
        """The same for each named pipeline."""
        _, *others = self.loaded.pipelines
        return [self.loaded, *(read_settings(self.chosen[0], {"pipeline": name}) for name in others)]

    @cached_property
    def settings(self) -> Settings:
        """The first named pipeline's settings.

        The first use prints the profile, the first line on standard error.
        """
        return self._announced(self.loaded.complete())

    @cached_property
    def shown_settings(self) -> Settings:
        """The same for display: required values may be missing."""
        return self._announced(self.loaded.shown())

    @cached_property
    def environment(self) -> Environment:
        """The profile's environment."""
        return environment_for(self.settings)

    @cached_property
    def job(self) -> Job:
        """The job of the first named pipeline."""
        return self.environment.job(self.settings)

    @cached_property
    def jobs(self) -> list[Job]:
        """The jobs of all named pipelines."""
        first, (_, *others) = self.job, self.loaded_each
        return [first, *(self.environment.job(loaded.complete()) for loaded in others)]

    @property
    def pipelines(self) -> list[str]:
        """The names of all named pipelines."""
        return [job.settings.pipeline for job in self.jobs]

    @cached_property
    def out(self) -> Console:
        """Standard output: the command's data."""
        return Console(highlight=False)

    def refresh(self) -> bool:
        """Loads the first named pipeline's settings again.

        Returns whether they have changed.

        Raises:
            UsageError: they are invalid now; the context keeps the previous ones.
        """
        loaded = self._read()
        settings = loaded.complete()
        if settings == self.settings:
            return False
        self.loaded, self.settings = loaded, settings
        for name in ("environment", "job", "jobs", "loaded_each"):
            self.__dict__.pop(name, None)
        return True

    def job_of(self, pipeline: str) -> Job:
        """Returns a pipeline's job.

        Options for the named pipelines do not apply to others.

        Raises:
            UsageError: its files or settings are invalid.
        """
        named = (job for job in self.jobs if job.settings.pipeline == pipeline)
        beside = {"pipeline": pipeline}
        return next(named, None) or self.environment.job(load(self.chosen[0], beside, named=False))

    def for_each_job(self, do: Callable[[Job], object], *, titles: bool = True) -> None:
        """Calls a function for each named job; a failure does not skip the other jobs.

        Args:
            do: the function.
            titles: whether to print each pipeline's name first if several are named.

        Raises:
            TandemError: the function failed. With several pipelines, the message names the failed ones.
        """
        failed: dict[str, TandemError] = {}
        for job in self.jobs:
            name = job.settings.pipeline
            if titles and len(self.jobs) > 1:
                self.say(f"pipeline {name}:")
            try:
                do(job)
            except TandemError as error:
                if len(self.jobs) == 1:
                    raise
                self.say(f"error: {name}: {error}\nhint: {error.hint}", job)
                failed[name] = error
        if failed:
            first = next(iter(failed.values()))
            raise type(first)(f"failed for {', '.join(failed)}", hint="see the errors above") from first

    def check_conflicts(self) -> None:
        """Raises if a named job would write to another job's topic or collection.

        Raises:
            UsageError: the message names both pipelines.
        """
        check_conflicts([job.settings for job in self.jobs], self.environment.pipelines())

    def say(self, text: str, about: Job | None = None) -> None:
        """Prints a line for the user to standard error.

        Args:
            text: the line.
            about: the job that it is about, if it is about only one of those that are named.
        """
        pipeline = about.settings.pipeline if about and len(self.jobs) > 1 else None
        print(self.told(text, pipeline), file=sys.stderr, flush=True)

    def told(self, text: str, pipeline: str | None = None) -> str:
        """Returns a message as the user can follow it.

        Its commands have the options that this command was given, and its pages the paths of this machine.

        Args:
            text: the message.
            pipeline: the pipeline that it is about; by default those that this command was given.
        """

        def with_options(found: re.Match[str]) -> str:
            arguments, for_all = found.groups(default="")
            return f"`{self.command(arguments, '' if for_all else pipeline)}`{for_all}"

        return located(_COMMAND.sub(with_options, text))

    def command(self, arguments: str, pipeline: str | None = None) -> str:
        """Returns a command that acts on the same profile and pipeline as this one.

        Args:
            arguments: the command's arguments. They may have these options already.
            pipeline: the pipeline to act on; by default those that this command was given, none if it is empty.
        """
        given = arguments.split()
        chosen = self.pipeline if pipeline is None else pipeline
        options = {"--profile": self.profile, "--pipeline": None if given[0] in _ABOUT_NO_PIPELINE else chosen}
        added = [f"{name} {shlex.quote(value)}" for name, value in options.items() if value and name not in given]
        return " ".join(("tandem", *added, arguments))

    def _read(self) -> LoadedSettings:
        return read_settings(self.chosen[0], {"pipeline": self.pipeline} if self.pipeline else None)

    def _announced(self, settings: Settings) -> Settings:
        if self.announces:
            why = self.chosen[1]
            print(f"tandem: profile {settings.profile}, backend {settings.backend} ({why})", file=sys.stderr)
        return settings
