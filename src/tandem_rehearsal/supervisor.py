"""The background process of the rehearsal.

``python -m tandem_rehearsal.supervisor --settings FILE`` starts it.
"""

from __future__ import annotations

from collections.abc import Sequence

from tandem.artifacts.cache import environment_sets
from tandem.platforms.local_services.dashboard import Dashboard
from tandem.platforms.local_services.environment_spec import EnvironmentSpec, main
from tandem.platforms.local_services.layout import Layout
from tandem.platforms.local_services.prepare import Tools
from tandem.platforms.local_services.prepare import ports as local_ports
from tandem.platforms.local_services.prepare import prepare as prepare_tools
from tandem.settings.model import Settings
from tandem.supervision.service import Service
from tandem_rehearsal.credentials import Credentials
from tandem_rehearsal.services import GoogleStandIn, SecuredKafka, SecuredMongod, StorageStandIn, layout_of


def prepare(settings: Settings, layout: Layout) -> Tools:
    """Creates certificates and passwords; returns the tools for a start.

    Raises:
        EnvironmentNotReadyError: something is missing, or a port is busy.
    """
    Credentials(settings.home).make()
    return prepare_tools(settings, layout, ports, (*environment_sets(), "rehearsal"))


def ports(settings: Settings) -> dict[str, int]:
    """Returns the ports of the rehearsal by the variable that sets each."""
    first = settings.gcp.rehearsal_port or 0
    google = {f"TANDEM_GCP__REHEARSAL_PORT{f' (+{n})' if n else ''}": first + n for n in range(3)}
    return local_ports(settings) | google


def services(settings: Settings, tools: Tools, layout: Layout) -> Sequence[Service]:
    """Returns the stand-ins and the dashboard."""
    credentials = Credentials(settings.home)
    return (
        SecuredKafka(settings, tools, layout, credentials),
        SecuredMongod(settings, tools.mongod, layout, credentials),
        StorageStandIn(settings, layout),
        GoogleStandIn(settings, layout),
        Dashboard(settings, layout),
    )


if __name__ == "__main__":
    raise SystemExit(main(EnvironmentSpec(layout_of, prepare, services)))
