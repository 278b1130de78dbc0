"""Both bundled pipelines at once on real programs: each is accounted for, and neither feels the other."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from typing import Any
from urllib.request import urlopen

import pytest

from tests import STATE
from tests.environment import Environment

# Minutes: two drivers at once. CI has the parts in tests/unit/test_several.py.
pytestmark = pytest.mark.on_demand

FIRST, SECOND = "orders_payments", "segment_revenue"
BOTH = ("--pipeline", f"{FIRST},{SECOND}")


@pytest.fixture
def environment() -> Iterator[Environment]:
    extra = (("TANDEM_JOB__IDLE_TIMEOUT_SECONDS", "5"),)
    with Environment(STATE / "several", 29840, extra).cleared() as found:
        yield found


def verified(environment: Environment) -> list[dict[str, Any]]:
    """Returns the reports, each of them good."""
    lines = environment.tandem(*BOTH, "verify", "--json").stdout.splitlines()
    reports = [json.loads(line) for line in lines]
    assert [report["ok"] for report in reports] == [True, True]
    return reports


def pipelines(environment: Environment) -> dict[str, dict[str, Any]]:
    return {each["pipeline"]: each for each in environment.status()["pipelines"]}


def shown(url: str, pipeline: str) -> dict[str, Any]:
    with urlopen(url) as page:
        assert b"<title>Tandem</title>" in page.read()
    address = url.partition("/?")[0]
    with urlopen(f"{address}/api/now?pipeline={pipeline}") as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def test_each_is_accounted_for_and_neither_feels_the_other(environment: Environment) -> None:
    environment.tandem("up")
    # Beside what runs, also while that is still starting.
    done = environment.tandem(*BOTH, "run", "--count", "1000", "--keep")
    assert done.stdout.count("every record is accounted for") == 2
    status, found = environment.status(), pipelines(environment)
    assert (status["pipeline"], status["ready"], list(found)) == (FIRST, True, [FIRST, SECOND])
    assert all(each["ready"] and each["job"]["lag"] == 0 for each in found.values())
    assert len({each["job"]["pid_or_id"] for each in found.values()}) == 2
    assert len({each["job"]["url"] for each in found.values()}) == 2
    for each in found.values():
        with urlopen(f"{each['job']['url']}/api/v1/applications") as answer:
            assert json.load(answer)[0]["name"] == f"tandem {each['pipeline']}"
    # A checkpoint for each.
    assert {path.name for path in (environment.home / "embedded" / "checkpoint").iterdir()} == {FIRST, SECOND}
    pages = {name: shown(each["dashboard"]["url"], name) for name, each in found.items()}
    assert [page["environment"]["title"] for page in pages.values()] == ["Orders and payments", "Revenue by segment"]
    assert [[link["name"] for link in page["pipelines"]] for page in pages.values()] == [[FIRST, SECOND]] * 2

    os.kill(int(found[SECOND]["job"]["pid_or_id"]), signal.SIGKILL)
    # Its new driver finds them; verify waits for it.
    environment.tandem(*BOTH, "produce", "--count", "500", "--close")
    verified(environment)
    after = pipelines(environment)
    assert after[FIRST]["job"]["pid_or_id"] == found[FIRST]["job"]["pid_or_id"]
    assert after[SECOND]["job"]["pid_or_id"] != found[SECOND]["job"]["pid_or_id"]
    assert "batch committed" in environment.tandem("--pipeline", SECOND, "logs", "job").stdout

    refused = environment.tandem("--pipeline", SECOND, "down", "--volumes", code=2)
    assert f"`--volumes` would also delete the topics, database and checkpoint of {FIRST}" in refused.stderr
    environment.tandem("--pipeline", SECOND, "down")
    assert list(pipelines(environment)) == [FIRST]
    assert environment.status()["job"]["pid_or_id"] == found[FIRST]["job"]["pid_or_id"]
    absent = environment.tandem("--pipeline", SECOND, "submit", code=3)
    assert f"this environment runs {FIRST}, not {SECOND}" in absent.stderr
