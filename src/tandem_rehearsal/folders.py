"""The folders of a rehearsal."""

from __future__ import annotations

from tandem.local_spark.local_spark import SCRATCH
from tandem.platforms.local_services.layout import Layout
from tandem.settings.model import Settings

# In the order in which they are stopped.
SERVICES = ("dashboard", "google", "storage", "mongod", "kafka")


def layout_of(settings: Settings) -> Layout:
    """Returns the folders of a rehearsal."""
    return Layout(settings.home, SERVICES, ("kafka", "mongo", "storage", SCRATCH))
