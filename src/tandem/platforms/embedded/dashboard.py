"""The dashboard: a program of its own, so that nothing else depends on it."""

from __future__ import annotations

import sys
import urllib.request

from tandem.errors import EnvironmentNotReadyError
from tandem.foreign import inherited
from tandem.platforms.embedded.layout import Layout
from tandem.platforms.embedded.service import Program
from tandem.platforms.observe import dashboard_url
from tandem.platforms.ports import dashboard_trouble
from tandem.settings.model import Settings
from tandem.waiting import NotYetError


def program(settings: Settings, layout: Layout) -> Program:
    """Returns the dashboard; it is up when it answers, whether Kafka and MongoDB do or not."""
    file = layout.conf / "dashboard.json"
    # It is on this machine, whatever proxy leads out of it.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def write() -> None:
        # Another program that listens there would answer in its place.
        if reason := dashboard_trouble(settings.ui.dashboard_port):
            raise EnvironmentNotReadyError(reason, hint="it is tried again until it can be served")
        file.write_text(settings.model_dump_json(indent=2), "utf-8")

    def probe(_pid: int) -> None:
        with direct.open(f"{dashboard_url(settings)}/health", timeout=2) as answer:
            if answer.status != 200:
                raise NotYetError("it does not answer")

    return Program(
        name="dashboard",
        command=(sys.executable, "-m", "tandem.dashboard", f"--settings={file}", f"--registry={layout.pipelines}"),
        env=inherited(),
        write=write,
        probe=probe,
        retry_on=(OSError,),
        settle=lambda: None,
        start_deadline_s=60,
        stop_deadline_s=5,
        optional=True,
    )
