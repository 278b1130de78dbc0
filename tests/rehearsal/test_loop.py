"""Deploy, join, look, deploy anew: the checkpoint on gs://, TLS and passwords everywhere, 0 lost, no secret shown."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

from google.cloud.storage import Client

from tandem.platforms.dataproc.clients import Clients
from tests.environment import Environment
from tests.rehearsal.conftest import settings_of
from tests.rehearsal.versions import assert_refused, changed


def objects(running: Environment) -> Client:
    return Clients(settings_of(running).gcp).storage


def test_records_are_joined_by_the_deployed_job(deployed: Environment) -> None:
    deployed.tandem("produce", "--count", "3000", "--close")
    report = json.loads(deployed.tandem("verify", "--json").stdout)
    assert report["ok"], report
    status = deployed.status()
    assert (status["ready"], status["job"]["state"]) == (True, "running")
    assert status["job"]["pid_or_id"].startswith("orders-payments-")


def test_the_checkpoint_and_the_job_are_in_cloud_storage(deployed: Environment) -> None:
    names = [blob.name for blob in objects(deployed).list_blobs("tandem-rehearsal")]
    assert [name for name in names if name.startswith("tandem/orders_payments/checkpoint/orders_payments/commits/")]
    assert [name for name in names if name.startswith("tandem/orders_payments/checkpoint/orders_payments/state/")]
    assert [name for name in names if name.endswith("/join_stream.py")]


def test_the_log_says_first_what_the_job_runs_on(deployed: Environment) -> None:
    lines = deployed.tandem("logs", "job").stdout.splitlines()
    told = next(line for line in lines if " driver started " in line)
    assert " spark=4.2.0 " in told
    assert [line for line in lines if "batch " in line]


def test_parity_names_what_differs_from_the_table(deployed: Environment) -> None:
    done = deployed.tandem("parity", code=None)
    assert "spark\t4.2.0\t4.2.0" in done.stdout
    java = next(line.split("\t")[1] for line in done.stdout.splitlines() if line.startswith("java"))
    assert done.returncode == (0 if "not " not in done.stderr else 1)
    assert (f"java {java}, not" in done.stderr) == (java.split(".")[0] != "25")


def test_the_doctor_finds_all_in_order(deployed: Environment) -> None:
    found = {each["check"]: each for each in json.loads(deployed.tandem("doctor", "--json").stdout)}
    assert {found[check]["state"] for check in ("bucket", "secrets", "cluster", "job", "Kafka", "MongoDB")} == {"good"}
    assert "image 4.0-debian13" in found["cluster"]["value"]


def test_secrets_are_nowhere(deployed: Environment) -> None:
    settings = settings_of(deployed)
    folders = (deployed.home / "rehearsal" / name for name in ("secrets", "credentials"))
    planted = [file.read_text().strip() for folder in folders for file in folder.iterdir()]
    assert len(planted) >= 5
    jobs = Clients(settings.gcp).jobs.list_jobs(project_id="rehearsal-project", region="rehearsal-north1")
    texts = {"jobs": "\n".join(map(str, jobs))}
    texts |= {f"process {each.pid}": " ".join(each.cmdline()) for each in deployed.processes()}
    said = [deployed.tandem(*command) for command in (("status", "--json"), ("config", "show"), ("logs",))]
    texts |= {" ".join(each.args[3:]): each.stdout + each.stderr for each in said}
    client = objects(deployed)
    texts |= {
        blob.name: blob.download_as_bytes().decode(errors="replace") for blob in client.list_blobs("tandem-rehearsal")
    }
    ui = f"http://127.0.0.1:{deployed.first_port + 3}"
    for page in ("environment/", "jobs/", "stages/", "SQL/", "StreamingQuery/", "executors/"):
        with urllib.request.urlopen(f"{ui}/{page}", timeout=30) as answer:
            texts[page] = answer.read().decode()
    assert [name for name, text in texts.items() if any(secret in text for secret in planted)] == []


def test_deploying_what_runs_changes_nothing(deployed: Environment) -> None:
    before = deployed.status()["job"]["pid_or_id"]
    deployed.tandem("deploy")
    assert deployed.status()["job"]["pid_or_id"] == before


def test_a_version_that_does_not_fit_the_checkpoint_is_refused(deployed: Environment, tmp_path: Path) -> None:
    # Of what the join keeps in its state.
    field = '"customer_id": FieldType.STRING'
    another = changed(deployed, tmp_path, "streams.py", field, f'"note": FieldType.STRING,\n{field}')
    assert_refused(deployed, another, 1, "an incompatible version of the pipeline")
