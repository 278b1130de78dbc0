"""A job that goes on: of another version, killed, destroyed and deployed again, beside a reconciliation."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from subprocess import Popen

import psutil
import pytest

from tests.environment import Environment

pytestmark = pytest.mark.by_name


def driver(running: Environment) -> psutil.Process:
    """Returns the Java process of the driver."""
    return next(each for each in running.processes() if "org.apache.spark.deploy.SparkSubmit" in each.cmdline())


def test_a_new_version_goes_on_where_the_old_one_stopped(deployed: Environment) -> None:
    before = deployed.status()["job"]
    newer = replace(deployed, extra=(*deployed.extra, ("TANDEM_JOB__IDLE_TIMEOUT_SECONDS", "31")))
    newer.tandem("submit")
    after = deployed.status()["job"]
    assert after["pid_or_id"] != before["pid_or_id"]
    assert after["input_rows_total"] >= before["input_rows_total"]
    assert "asked to stop by gs://" in (deployed.home / "rehearsal" / "logs" / "job.log").read_text()
    deployed.tandem("produce", "--count", "500", "--close")
    assert json.loads(deployed.tandem("verify", "--json").stdout)["ok"]


def test_a_killed_driver_is_started_again(deployed: Environment) -> None:
    with deployed.start("produce", "--count", "5000", "--close") as producing:
        driver(deployed).kill()
        producing.communicate(timeout=300)
    assert json.loads(deployed.tandem("verify", "--wait", "240", "--json").stdout)["ok"]


def read_until(command: Popen[str], text: str) -> None:
    """Reads what a command prints until a line has the text."""
    assert command.stdout is not None
    said = []
    for line in command.stdout:
        said.append(line)
        if text in line:
            return
    raise AssertionError(f"{text!r} is not in {''.join(said)}")


def test_a_job_that_an_interrupted_command_has_asked_to_stop_is_replaced(deployed: Environment) -> None:
    before = deployed.status()["job"]["pid_or_id"]
    java = driver(deployed)
    # Its batch lasts until it is resumed.
    java.suspend()
    try:
        with deployed.start("submit") as submitting:
            read_until(submitting, f"waiting for the job {before} to end")
            submitting.send_signal(signal.SIGINT)
            said, _ = submitting.communicate(timeout=120)
        assert submitting.returncode == 130, said
        assert f"orders_payments: the job {before} was asked to stop, and nothing replaces it" in said
        with deployed.start("deploy") as deploying:
            read_until(deploying, f"waiting for the job {before} to end")
            java.resume()
            said, _ = deploying.communicate(timeout=400)
        assert deploying.returncode == 0, said
    finally:
        if java.is_running():
            java.resume()
    assert deployed.status()["job"]["pid_or_id"] != before
    deployed.tandem("produce", "--count", "500", "--close")
    assert json.loads(deployed.tandem("verify", "--json").stdout)["ok"]


def test_what_is_destroyed_can_be_deployed_again(deployed: Environment) -> None:
    # The job is found although the settings choose a serverless batch now.
    changed = replace(deployed, extra=(*deployed.extra, ("TANDEM_GCP__SERVERLESS", "true")))
    shown = changed.status()
    assert shown["job"]["pid_or_id"] == deployed.status()["job"]["pid_or_id"]
    assert any("gcp.serverless is true now" in each for each in shown["warnings"])
    changed.tandem("destroy", "--yes")
    assert "asked to stop by gs://" in (deployed.home / "rehearsal" / "logs" / "job.log").read_text()
    assert deployed.processes() == []
    deployed.tandem("deploy")
    deployed.tandem("produce", "--count", "500", "--close")
    assert json.loads(deployed.tandem("verify", "--json").stdout)["ok"]


def test_late_records_are_reconciled(deployed: Environment) -> None:
    # A watermark of now, which a committed batch knows: whatever has an older time is late then, all of it.
    deployed.tandem("produce", "--count", "100", "--rate", "100", "--event-time", "real", "--mix", "late=0", "--close")
    assert json.loads(deployed.tandem("verify", "--json").stdout)["ok"]
    deployed.tandem("produce", "--count", "2000", "--event-time", "compressed")
    assert json.loads(deployed.tandem("verify", "--json").stdout)["ok"]
    first = json.loads(deployed.tandem("reconcile", "--json").stdout)
    assert sum(first["inserted"].values()) > 0
    again = json.loads(deployed.tandem("reconcile", "--json").stdout)
    assert sum(again["inserted"].values()) + sum(again["removed"].values()) == 0
    assert json.loads(deployed.tandem("verify", "--json").stdout)["ok"]
    assert deployed.status()["job"]["state"] == "running"


def test_records_are_replayed_beside_the_stream(deployed: Environment) -> None:
    found = json.loads(deployed.tandem("replay", "--since", "1d", "--into", "v2", "--json").stdout)
    assert found["verify"]["ok"]
    assert sum(found["inserted"].values()) > 0
    differences = json.loads(deployed.tandem("diff", "--with", "v2", "--json").stdout)
    assert not any(each["differing"] for each in differences.values())
    assert deployed.status()["job"]["state"] == "running"
