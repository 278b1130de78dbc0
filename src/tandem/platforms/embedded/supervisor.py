"""The background process of the embedded environment: starts the services, keeps them running, stops them.

``python -m tandem.platforms.embedded.supervisor --settings FILE``; SIGTERM and SIGINT stop all, SIGUSR1 lets it compare
the jobs that run with those that are to run.
"""

from __future__ import annotations

from collections.abc import Sequence

from tandem.platforms.local_services.dashboard import Dashboard
from tandem.platforms.local_services.driver import Driver
from tandem.platforms.local_services.environment_spec import EnvironmentSpec, main
from tandem.platforms.local_services.kafka import Kafka
from tandem.platforms.local_services.layout import Layout
from tandem.platforms.local_services.mongod import Mongod
from tandem.platforms.local_services.prepare import Tools, prepare
from tandem.settings.model import Settings
from tandem.supervision.service import Service


def services(settings: Settings, tools: Tools, layout: Layout) -> Sequence[Service]:
    """Returns Kafka, MongoDB and the dashboard."""
    # Stopped in the reverse order nothing loses what it writes to before it has stopped.
    return Kafka(settings, tools, layout), Mongod(settings, tools.mongod, layout), Dashboard(settings, layout)


if __name__ == "__main__":
    raise SystemExit(main(EnvironmentSpec(lambda settings: Layout(settings.home), prepare, services, Driver)))
