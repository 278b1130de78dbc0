"""Runs the batch that repairs what late records have left, in a Spark of its own beside the job's."""

from __future__ import annotations

from typing import Any

from tandem.local_spark.local_spark import LocalSpark
from tandem.platforms.local_services.layout import JOB, Layout
from tandem.platforms.observe import reconcile_report
from tandem.settings.model import Settings


def reconcile(settings: Settings, layout: Layout) -> dict[str, Any]:
    """Returns the report of ``engine.run.reconcile``.

    Raises:
        TandemError: it failed.
    """
    job = layout.job(settings.pipeline)
    # Those of two pipelines may run at the same time.
    folder, log = layout.conf_of(job) / "reconcile", layout.log(job.replace(JOB, "reconcile", 1))
    code, output = LocalSpark.find(settings).run_batch("reconcile", settings, folder, layout.home, log=log)
    return reconcile_report(code, output, log.read_text(errors="replace"))
