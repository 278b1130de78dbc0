"""The background process of the rehearsal: ``python -m tandem_rehearsal.supervisor --settings FILE``."""

from __future__ import annotations

from collections.abc import Sequence

from tandem.artifacts.cache import ENVIRONMENT
from tandem.platforms.embedded import dashboard, supervisor
from tandem.platforms.embedded.layout import Layout
from tandem.platforms.embedded.prepare import Tools
from tandem.platforms.embedded.prepare import prepare as prepare_tools
from tandem.platforms.embedded.service import Keeper
from tandem.platforms.embedded.state import Board
from tandem.settings.model import Settings
from tandem_rehearsal import services
from tandem_rehearsal.credentials import Credentials
from tandem_rehearsal.layout import layout_of


def prepare(settings: Settings, layout: Layout) -> Tools:
    """Returns what is needed to start, after making certificates and passwords.

    Raises:
        EnvironmentNotReadyError: something is missing or in the way.
    """
    Credentials(settings.home).make()
    return prepare_tools(settings, layout, ports, (*ENVIRONMENT, "rehearsal"))


def ports(settings: Settings) -> dict[str, int]:
    """Returns the ports of the rehearsal by the variable that sets each."""
    first = settings.gcp.rehearsal_port or 0
    google = {f"TANDEM_GCP__REHEARSAL_PORT{f' (+{n})' if n else ''}": first + n for n in range(3)}
    return {
        "TANDEM_KAFKA__PORT": settings.kafka.port,
        "TANDEM_KAFKA__CONTROLLER_PORT": settings.kafka.controller_port,
        "TANDEM_MONGO__PORT": settings.mongo.port,
        "TANDEM_UI__SPARK_PORT": settings.ui.spark_port,
        "TANDEM_UI__DASHBOARD_PORT": settings.ui.dashboard_port,
        **google,
    }


def keepers(settings: Settings, tools: Tools, layout: Layout, board: Board) -> Sequence[Keeper]:
    """Returns the keepers of the stand-ins and of the dashboard, in the order in which they are stopped."""
    credentials = Credentials(settings.home)
    broker = Keeper(services.broker(settings, tools, layout, credentials), layout, board)
    database = Keeper(services.database(settings, tools.mongod, layout, credentials), layout, board)
    storage = Keeper(services.storage(settings, layout), layout, board)
    google = Keeper(services.google(settings, layout), layout, board)
    page = Keeper(dashboard.program(settings, layout), layout, board, needs=(broker, database))
    return (page, google, storage, database, broker)


if __name__ == "__main__":
    raise SystemExit(supervisor.main(supervisor.Cast(layout_of, prepare, keepers)))
