"""Runs the batch that repairs what late records have left, in a Spark of its own beside the job's."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from tandem.artifacts import ensure_jars
from tandem.platforms.embedded.java import find_java
from tandem.platforms.embedded.job import class_archive, driver_variables, write_configuration
from tandem.platforms.embedded.layout import JOB, Layout
from tandem.platforms.embedded.process import identify, kill
from tandem.job_files import RECONCILE, for_batch, submitted
from tandem.platforms.observe import reconcile_report
from tandem.runtimes import runtimes
from tandem.settings.model import Settings


def reconcile(settings: Settings, layout: Layout) -> dict[str, Any]:
    """Returns the report of ``engine.run.reconcile``.

    Raises:
        TandemError: it failed.
    """
    java = find_java(settings.java_home, runtimes().minimum_java)
    jars = ensure_jars(settings.cache_dir, java.program)["spark"]
    job = layout.job(settings.pipeline)
    # Those of two pipelines may run at the same time.
    folder, log = layout.conf_of(job) / "reconcile", layout.log(job.replace(JOB, "reconcile", 1))
    folder.mkdir(parents=True, exist_ok=True)
    options = class_archive(settings, java, jars).options(record=False)
    write_configuration(for_batch(settings), jars, layout, folder, options)
    command = (sys.executable, *submitted(settings.location, RECONCILE).command(folder))
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env=driver_variables(java, settings.location, folder),
            cwd=layout.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
            start_new_session=True,
            text=True,
        )
    identity = identify(process.pid)
    try:
        answer, _ = process.communicate()
    finally:
        # Its Java, too; also when the user has no patience.
        kill(identity)
        process.wait()
    return reconcile_report(process.returncode, answer, log.read_text(errors="replace"))
