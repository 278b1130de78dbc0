"""Runs an environment of local processes under one supervisor."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from tandem import log
from tandem.engine.spark.job_log import TEXT
from tandem.errors import EnvironmentNotReadyError, TandemError
from tandem.pipeline_registry import PipelineRegistry, handed_on
from tandem.platforms.local_services.job_runners import JobRunners
from tandem.platforms.local_services.layout import Layout
from tandem.platforms.local_services.prepare import Tools
from tandem.settings.model import Settings
from tandem.supervision.process import identify, remove_identity, write_identity
from tandem.supervision.service import Service
from tandem.supervision.state_file import StateFile
from tandem.supervision.state_folder import SUPERVISOR
from tandem.supervision.supervisor import UPDATE, received_signals, runners_of, supervise

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class EnvironmentSpec:
    """The parts of one kind of environment.

    Attributes:
        layout: returns the folders, given the settings.
        prepare: finds the programs and jars; the caller owns the layout's lock.
        services: returns the services, each after those that it needs; they stop in the reverse order.
        driver: returns a pipeline's driver; None if jobs run elsewhere.
    """

    layout: Callable[[Settings], Layout]
    prepare: Callable[[Settings, Layout], Tools]
    services: Callable[[Settings, Tools, Layout], Sequence[Service]]
    driver: Callable[[Settings, Tools, Layout], Service] | None = None


def run(settings: Settings, spec: EnvironmentSpec) -> int:
    """Runs the environment until a signal ends it.

    Returns the exit code. Each state folder has one such process.

    Raises:
        TandemError: it cannot start.
    """
    layout, signals = spec.layout(settings), received_signals()
    layout.create()
    with layout.locked() as lock:
        if lock is None:
            _log.info("already running", home=str(layout.home))
            return 0
        tools, make = spec.prepare(settings, layout), spec.driver
        states = StateFile(layout.state, layout.services)
        runners = runners_of(spec.services(settings, tools, layout), layout, states)
        jobs = make and JobRunners(
            PipelineRegistry(layout.pipelines),
            lambda each: make(each, tools, layout),
            layout,
            states,
            lambda: signals.put(UPDATE),
            runners,
        )
        identity = identify(os.getpid())
        write_identity(layout.pid(SUPERVISOR), identity)
        try:
            supervise(runners, jobs, layout, states, signals, lock)
        finally:
            remove_identity(layout.pid(SUPERVISOR), identity)
    return 0


def main(spec: EnvironmentSpec) -> int:
    """Returns the exit code of a supervisor's process, started with ``--settings FILE``."""
    parser = argparse.ArgumentParser(description="Runs the services of an environment.")
    parser.add_argument(
        "--settings", type=Path, required=True, help="a file with all settings, as `tandem up` writes it"
    )
    arguments = parser.parse_args()
    log.to_stderr(TEXT)
    try:
        return run(handed_on(arguments.settings), spec)
    except TandemError as error:
        kind = "environment" if isinstance(error, EnvironmentNotReadyError) else "settings"
        _log.error("cannot start", kind=kind, error=str(error), hint=error.hint)
        return error.exit_code
