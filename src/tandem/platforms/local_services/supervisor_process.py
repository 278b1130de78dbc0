"""Starts, finds and stops the supervisor's process, for commands."""

from __future__ import annotations

import sys
from collections.abc import Callable

from tandem.errors import EnvironmentNotReadyError, UsageError
from tandem.foreign import inherited
from tandem.pipeline_registry import PipelineRegistry
from tandem.platforms.base import Stopped
from tandem.platforms.local_services.layout import Layout
from tandem.platforms.local_services.prepare import end_leftovers
from tandem.progress_display import wait_shown, work_shown
from tandem.settings.model import Settings
from tandem.supervision.logs import error_summary, size_of
from tandem.supervision.process import alive, end, read_identity, send, spawn
from tandem.supervision.state_folder import SUPERVISOR
from tandem.supervision.supervisor import UPDATE
from tandem.waiting import NotYetError

# The supervisor stops its services one after another, each within its deadline. One driver also writes Java's class
# archive.
STOP_DEADLINE_S = 240.0
# A supervisor restarts jobs on request. A service that it has given up is started by the next supervisor.
RESTART_ALL = "fix it, then run `tandem down` and `tandem up`; the job resumes where it stopped"


class SupervisorProcess:
    """The supervisor of one environment.

    Args:
        layout: the environment's folders.
        module: the supervisor's module.
        prepare: finds the programs and jars before the start; the supervisor calls it, too.

    Attributes:
        registry: the pipelines to run.
    """

    def __init__(self, layout: Layout, module: str, prepare: Callable[[Settings, Layout], object]) -> None:
        self._layout, self._module, self._prepare = layout, module, prepare
        self.registry = PipelineRegistry(layout.pipelines)

    def running(self) -> bool:
        """Returns whether the supervisor runs."""
        supervisor = read_identity(self._layout.pid(SUPERVISOR))
        return supervisor is not None and alive(supervisor)

    def pipelines(self) -> list[str]:
        """Returns the pipelines to run, the first one first.

        The list is empty if the supervisor does not run.
        """
        return self.registry.names() if self.running() else []

    def update(self) -> None:
        """Asks the supervisor to start and stop jobs by the registry; returns at once."""
        if supervisor := read_identity(self._layout.pid(SUPERVISOR)):
            send(supervisor, UPDATE)

    def start(self, settings: Settings) -> None:
        """Starts the supervisor and returns when it runs.

        No job starts until one is added.

        Args:
            settings: the first job's settings.

        Raises:
            EnvironmentNotReadyError: something is missing, or the supervisor ended.
        """
        layout = self._layout
        # This reports an error in the transform, with its line, before anything starts.
        settings.location.module("transform")
        layout.create()
        with layout.locked() as lock:
            # The supervisor does this, too. Here the user sees the progress bar and errors.
            if lock is not None:
                self._prepare(settings, layout)
                layout.settings.write_text(settings.model_dump_json(indent=2), "utf-8")
                self.registry.clear()
        file = layout.settings
        command = (sys.executable, "-m", self._module, "--settings", str(file))
        log = layout.log(SUPERVISOR)
        from_byte = size_of(log)
        process = spawn(command, log=log, env=inherited(), cwd=layout.home)

        def probe() -> None:
            code = process.poll()
            if self.running():
                return
            if code:
                raise EnvironmentNotReadyError(
                    f"the supervisor ended: {error_summary(log, from_byte)}", hint=f"look at {log}"
                )
            raise NotYetError("it has not written its process id")

        wait_shown("the supervisor to start", probe, deadline_s=60, hint=f"look at {log}", interval_s=0.05)

    def stop(self, *, forget: bool) -> Stopped:
        """Stops everything, also leftover services; returns what was done.

        A killed supervisor leaves its services running.

        Args:
            forget: also remove all data.

        Raises:
            EnvironmentNotReadyError: another process is starting it, or the data cannot be removed.
            UsageError: Tandem has not created the folders of data.
        """
        layout = self._layout
        if not layout.is_created:
            if forget and (foreign := [name for name in layout.data if (layout.home / name).exists()]):
                raise UsageError(
                    f"Tandem has not created {layout.home}, so its {', '.join(foreign)} is kept",
                    hint="set TANDEM_STATE_DIR to the folder of the environment, or remove the data yourself",
                )
            return Stopped(ran=False)
        layout.run.mkdir(exist_ok=True)
        ran, held = self.running(), list[str]()
        if supervisor := read_identity(layout.pid(SUPERVISOR)):
            with work_shown("stopping the services"):
                end(supervisor, STOP_DEADLINE_S)
            layout.pid(SUPERVISOR).unlink(missing_ok=True)
        with layout.locked() as lock, work_shown("ending leftover services"):
            if lock is None:
                raise EnvironmentNotReadyError("it is being started by another process", hint="try again in a moment")
            ran |= end_leftovers(layout)
            self.registry.clear()
            layout.state.unlink(missing_ok=True)
            if forget:
                held = layout.forget()
        return Stopped(ran, f"{', '.join(held)} in {layout.home}" if held else "")
