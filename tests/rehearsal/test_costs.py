"""What a batch costs is what the plan says: the requests to Cloud Storage are counted."""

from __future__ import annotations

import pytest

from tandem.platforms.dataproc.costs import requests_of_batch
from tests.environment import Environment
from tests.rehearsal.conftest import settings_of
from tests.rehearsal.storage_proxy import StorageProxy

pytestmark = pytest.mark.by_name


def test_a_batch_makes_as_many_requests_as_the_plan_counts(deployed: Environment, storage: StorageProxy) -> None:
    planned = requests_of_batch(settings_of(deployed))
    deployed.tandem("produce", "--count", "200", "--rate", "100")
    first = deployed.status()["job"]["last_batch"]
    storage.counted.clear()
    deployed.tandem("produce", "--count", "4000", "--rate", "40")
    counted, batches = dict(storage.counted), deployed.status()["job"]["last_batch"] - first
    # Of the first and the last one, only a part is counted.
    assert batches >= 10
    assert counted["change"] / batches == pytest.approx(planned.changes, rel=0.25)
    assert counted["read"] / batches == pytest.approx(planned.reads, rel=0.25)
