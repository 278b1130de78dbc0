"""The background process that runs the embedded environment.

It starts the services, keeps them running and stops them.

``python -m tandem.platforms.embedded.supervisor --settings FILE``. SIGTERM and SIGINT stop all services; SIGUSR1 starts
and stops jobs by the registry.
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
    # They stop in the reverse order, so each stops before the services that it writes to.
    return Kafka(settings, tools, layout), Mongod(settings, tools.mongod, layout), Dashboard(settings, layout)


if __name__ == "__main__":
    raise SystemExit(main(EnvironmentSpec(lambda settings: Layout(settings.home), prepare, services, Driver)))
