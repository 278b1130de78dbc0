"""The dashboard as a separate program, so that nothing else depends on it."""

from __future__ import annotations

import sys
import urllib.request

from tandem.errors import EnvironmentNotReadyError
from tandem.foreign import inherited
from tandem.platforms.local_services.layout import Layout
from tandem.platforms.observe import dashboard_url
from tandem.platforms.ports import dashboard_trouble
from tandem.settings.model import Settings
from tandem.supervision.service import Service
from tandem.waiting import NotYetError


class Dashboard(Service):
    """The dashboard; it is ready when it answers, even if Kafka and MongoDB do not."""

    # It starts together with the drivers. Their start takes longer, so it delays nothing.
    needs = ("kafka", "mongod")
    optional = True
    retry_on = (OSError,)
    stop_deadline_s = 5.0

    def __init__(self, settings: Settings, layout: Layout) -> None:
        self._settings, self._file = settings, layout.conf / "dashboard.json"
        command = (sys.executable, "-m", "tandem.dashboard", "--settings", str(self._file))
        super().__init__("dashboard", (*command, "--registry", str(layout.pipelines)), inherited())

    def prepare(self) -> None:
        """Writes the settings.

        Raises:
            EnvironmentNotReadyError: the port is busy.
        """
        if reason := dashboard_trouble(self._settings.ui.dashboard_port):
            raise EnvironmentNotReadyError(reason, hint="it is tried again until it can be served")
        self._file.write_text(self._settings.model_dump_json(indent=2), "utf-8")

    def probe(self, _pid: int, /) -> None:
        """Returns when the dashboard answers."""
        # The dashboard is on this machine, so no proxy is needed.
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(f"{dashboard_url(self._settings)}/health", timeout=2) as answer:
            if answer.status != 200:
                raise NotYetError("it does not answer")
