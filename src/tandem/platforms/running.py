"""Finds the environments that run here, for commands without --profile, and checks which jobs run in one."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence

from tandem.checkout import checkout
from tandem.errors import EnvironmentNotReadyError
from tandem.foreign import inherited
from tandem.settings.load import read_settings
from tandem.supervision.process import alive, read_identity
from tandem.supervision.state_folder import SUPERVISOR, StateFolder

_PROCESSES = ("embedded", "rehearsal")
# A slower engine counts as not running here; whether it can run anything is checked with more patience.
_PATIENCE_S = 5


def running() -> dict[str, str]:
    """Returns the profiles whose environments run here, each with the evidence."""
    active = {}
    for profile in _PROCESSES:
        home = read_settings(profile).settings.home
        supervisor = read_identity(StateFolder(home).pid(SUPERVISOR))
        if supervisor and alive(supervisor):
            active[profile] = f"it runs here, with its state in {home}"
    if project := _project():
        active["local"] = f"its containers run here, in the Compose project {project}"
    return active


def check_running(pipeline: str, running: Sequence[str]) -> None:
    """Raises if a pipeline's job does not run in an environment.

    Args:
        pipeline: the pipeline's name.
        running: the pipelines whose jobs run there.

    Raises:
        EnvironmentNotReadyError: the message names the running ones.
    """
    if not running:
        raise EnvironmentNotReadyError("nothing runs", hint="start it with `tandem up`")
    if pipeline not in running:
        raise EnvironmentNotReadyError(
            f"this environment runs {', '.join(running)}, not {pipeline}",
            hint=f"start it with `tandem --pipeline {pipeline} up`, or use --pipeline {running[0]}",
        )


def _project() -> str | None:
    """Returns the Compose project in which this checkout's Kafka runs; None if none does.

    One call of ``docker ps`` costs some 30 ms. Containers that only watch a cloud environment have no Kafka.
    """
    folder = checkout()
    if folder is None or shutil.which("docker") is None:
        return None
    named = read_settings("local").settings.project
    mine = f"com.docker.compose.project={named}" if named else f"com.docker.compose.project.working_dir={folder}"
    labels = (mine, "com.docker.compose.service=kafka", "com.docker.compose.oneoff=False")
    filters = (word for label in labels for word in ("--filter", f"label={label}"))
    try:
        done = subprocess.run(
            ("docker", "ps", *filters, "--format", '{{.Label "com.docker.compose.project"}}'),
            env=inherited(),
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return next(iter(done.stdout.split()), None) if done.returncode == 0 else None
