"""The containers, for real: started by Compose alone, seen by tandem, killed one by one, stopped and started again."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psutil
import pytest

from tandem.pipelines.orders_payments.streams import FACTS, UNMATCHED
from tandem.platforms.compose.containers import started_at
from tests import ROOT
from tests.compose.conftest import PROJECT, Stack
from tests.foreign import send_two_facts_of_one_customer
from tests.observed import alerts, ask, exported_by, jobs, metrics_in, panels
from tests.readme import CONTAINERS, commands_of, run, use_mongodb

# The commands of the page about containers. Each is run below, as it stands there.
UP, PS, LOGS, RESTART, DOWN, FORGET = commands_of(CONTAINERS)
# In the order in which they are killed. CI kills a service that the job needs, and the job.
ON_DEMAND = ("mongo", "spark-worker", "spark-master")
SERVICES = ("kafka", *(pytest.param(name, marks=pytest.mark.on_demand) for name in ON_DEMAND), "job")


def everything_is_accounted_for(stack: Stack) -> None:
    """Sends some more, waits until they are joined, and verifies all that was ever sent."""
    stack.tandem("produce", "--count", "40")
    stack.wait("lag 0", stack.caught_up, 180)
    report = json.loads(stack.tandem("verify", "--json").stdout)
    assert report["ok"], report


def test_docker_compose_up_gives_the_running_pipeline(stack: Stack) -> None:
    run(UP, stack.variables)
    assert "job" in run(PS, stack.variables).stdout
    with stack.database() as database:
        stack.wait("the first fact", lambda: database[FACTS.name].find_one())
    prepared = started_at(stack.containers.of(PROJECT)["setup"])
    # The job writes the line after the fact is there.
    stack.wait("a committed batch in the log", lambda: "batch committed" in run(LOGS, stack.variables).stdout)
    again = run(UP, stack.variables)
    assert "Recreate" not in again.stderr
    # It prepares again: what a pipeline's files declare now is there for the next start of the job.
    assert started_at(stack.containers.of(PROJECT)["setup"]) > prepared


def test_no_image_of_ours_is_larger_than_one_gigabyte(stack: Stack) -> None:
    sizes = {name: size for name, size in stack.containers.image_sizes(PROJECT).items() if name.startswith("tandem/")}
    assert {"tandem/app", "tandem/spark"} <= sizes.keys()
    assert {name: size for name, size in sizes.items() if size > 1e9} == {}


def test_the_job_runs_on_the_cluster(stack: Stack) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{stack.first_port + 4}/json/", timeout=10) as answer:
        master = json.load(answer)
    assert [app["name"] for app in master["activeapps"]] == ["tandem orders_payments"]
    assert master["aliveworkers"] == 1
    with urllib.request.urlopen(f"http://127.0.0.1:{stack.first_port + 3}/api/v1/applications", timeout=10) as answer:
        assert json.load(answer)[0]["name"] == "tandem orders_payments"


def test_the_dashboard_shows_the_stack(stack: Stack) -> None:
    with urllib.request.urlopen(stack.status()["dashboard"]["url"] + "/api/now", timeout=10) as answer:
        found = json.load(answer)
    assert (found["environment"]["profile"], found["job"]["state"]) == ("local", "running")
    assert found["account"]["results"] > 0


def test_java_maps_the_cache_that_the_image_brings(stack: Stack) -> None:
    """It would be ignored without a word when it did not fit the class path."""
    # A process may end between the listing and the reading: that is no fault of the cache.
    maps = stack.compose("exec", "-T", "job", "bash", "-c", "cat /proc/[0-9]*/maps 2>/dev/null || true").stdout
    assert "/opt/tandem/aot/spark.aot" in maps


def addresses(stack: Stack) -> set[str]:
    """Returns the addresses at which the engine publishes ports of containers."""
    return {
        binding["HostIp"]
        for container in stack.containers.of(PROJECT).values()
        for bindings in container.attrs["NetworkSettings"]["Ports"].values()
        for binding in bindings or ()
    }


def test_nothing_listens_beyond_loopback(stack: Stack) -> None:
    assert addresses(stack) == {"127.0.0.1"}
    mine = range(stack.first_port, stack.first_port + 8)
    listening = [c.laddr for c in psutil.net_connections("tcp") if c.status == "LISTEN" and c.laddr.port in mine]
    assert {address.ip for address in listening} <= {"127.0.0.1"}


def test_no_secret_is_shown_and_no_power_is_left(stack: Stack) -> None:
    for service, container in stack.containers.of(PROJECT).items():
        attributes = container.attrs
        assert not re.search(r"(?i)(password|secret|token)=", " ".join(attributes["Config"]["Env"])), service
        host = attributes["HostConfig"]
        assert (host["CapDrop"], host["Privileged"]) == (["ALL"], False), service
        # The worker writes its state into its own layer.
        assert host["ReadonlyRootfs"] is (service != "spark-worker"), service
        assert attributes["Config"]["User"] not in ("", "0", "root"), service


def test_the_doctor_finds_all_in_order(stack: Stack) -> None:
    findings = {each["check"]: each for each in json.loads(stack.tandem("doctor", "--json").stdout)}
    assert {check for check, each in findings.items() if each["state"] != "good"} == {"ports"}
    assert "topics at the brokers' own address" in findings["Kafka from containers"]["value"]


def test_prometheus_finds_the_metrics_of_job_dashboard_and_producers(stack: Stack) -> None:
    def read(address: str) -> str:
        with urllib.request.urlopen(f"http://{address}", timeout=10) as answer:
            return str(answer.read().decode())

    stack.wait("the job", lambda: stack.status()["ready"])
    job = read(f"127.0.0.1:{stack.first_port + 3}/metrics/prometheus/")
    for name in ("eventTime_watermark", "jvm_heap_used", "jvm_pools_PS_Old_Gen_used_after_gc"):
        assert re.search(rf"tandem\w*driver\w*{name}", job), name
    assert "tandem_job_records_total" in read(f"127.0.0.1:{stack.first_port + 5}/metrics")
    ask = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:9464/metrics').read().decode())"
    sent = stack.compose("exec", "-T", "producers", "python", "-c", ask).stdout
    assert 'tandem_producer_records_total{class="valid",outcome="acked",topic="orders_topic_data_v1"}' in sent


@pytest.fixture
def prometheus(stack: Stack) -> Iterator[str]:
    """The address of a Prometheus beside the running services; afterwards it and its data are gone."""
    observe = ("--profile", "observe")
    stack.compose(*observe, "build")
    stack.compose(*observe, "up", "--detach", "--wait")
    try:
        yield f"http://127.0.0.1:{stack.first_port + 6}"
    finally:
        stack.compose(*observe, "rm", "--stop", "--force", "prometheus", "grafana", "exporter")
        for volume in stack.containers.volumes(PROJECT):
            if "_prometheus_" in volume.name:
                volume.remove()


def test_prometheus_reads_all_services(stack: Stack, prometheus: str) -> None:
    def down() -> list[str]:
        targets = ask(prometheus, "targets")["activeTargets"]
        found = {each["labels"]["job"] for each in targets}
        assert found <= {*jobs(), "prometheus"}
        return sorted({*jobs()} - found) + [each["scrapeUrl"] for each in targets if each["health"] != "up"]

    stack.wait("all targets", lambda: not down())
    asked = set().union(*(metrics_in(each) for expressions in panels().values() for each in expressions))
    stack.wait("all metrics", lambda: asked <= set().union(*exported_by(prometheus).values()))
    rules = [rule["name"] for group in ask(prometheus, "rules")["groups"] for rule in group["rules"]]
    assert rules == [alert.name for alert in alerts()]
    # Debian has no Grafana.
    with urllib.request.urlopen(f"http://127.0.0.1:{stack.first_port + 7}/", timeout=10) as page:
        assert "Grafana does not run" in page.read().decode()
    assert "Grafana does not run" in stack.compose("--profile", "observe", "logs", "grafana").stdout
    assert addresses(stack) == {"127.0.0.1"}


def test_the_jobs_lines_are_json_that_tandem_reads(stack: Stack) -> None:
    lines = [
        json.loads(line) for line in stack.containers.of(PROJECT)["job"].logs().decode().splitlines() if line[:1] == "{"
    ]
    batches = [line for line in lines if line["message"] == "batch committed"]
    assert set(batches[-1]) == {
        *("time", "severity", "logger", "message", "batch", "records", "late", "state_events", "ms", "offsets")
    }
    assert f"batch={batches[0]['batch']} " in stack.tandem("logs", "job").stdout


def test_tandem_finds_what_compose_started(stack: Stack) -> None:
    # From here on only what the tests send.
    stack.compose("stop", "producers")
    stack.wait("the job", lambda: stack.status()["ready"])
    status = stack.status()
    assert (status["profile"], status["job"]["state"]) == ("local", "running")
    assert stack.containers.of(PROJECT)["job"].id.startswith(status["job"]["pid_or_id"])
    assert status["mongo"]["uri"] == use_mongodb(stack.first_port + 2)
    everything_is_accounted_for(stack)
    report = json.loads(stack.tandem("reconcile", "--json").stdout)
    assert report["compared"][FACTS.name] > 0
    assert (report["inserted"], report["removed"]) == ({FACTS.name: 0}, {UNMATCHED.name: 0})
    replayed = json.loads(stack.tandem("replay", "--since", "1d", "--into", "v2", "--json").stdout)
    assert replayed["verify"]["ok"]
    assert replayed["inserted"][f"{FACTS.name}_v2"] > 0
    lines = stack.tandem("logs", "job", "kafka").stdout.splitlines()
    assert {line.split()[0] for line in lines} == {"job", "kafka"}


def test_a_job_that_a_restart_cannot_help_is_not_restarted(stack: Stack) -> None:
    """It says why, in Docker's words and in ours, and starts again when somebody starts it."""
    before = stack.containers.of(PROJECT)["job"].attrs["RestartCount"]
    with stack.database() as database:
        theirs = {"customer_id": "planted-payload"}
        database[FACTS.name].create_index("customer_id", name="theirs", unique=True, partialFilterExpression=theirs)
        # Its producers send in real time, so what is older than the lateness would be late.
        send_two_facts_of_one_customer(stack.bootstrap, "planted-payload", timedelta(minutes=1))
        stack.wait("the problem", lambda: stack.status()["problem"])
        status = stack.status()
        assert "job stopped: " in status["problem"]
        assert "the unique index theirs" in status["problem"]
        assert (status["ready"], status["job"]["state"]) == (False, "failed")
        job = stack.containers.of(PROJECT)["job"]
        assert (job.attrs["State"]["Running"], job.attrs["RestartCount"]) == (True, before)
        # Java has given its memory back.
        assert [process[-1] for process in job.top()["Processes"]] == ["python /conf/submitted.py @/conf/arguments"]
        up = stack.tandem("up", "--wait", code=3)
        assert "the unique index theirs" in up.stderr
        database[FACTS.name].drop_index("theirs")
    run(RESTART, stack.variables)
    everything_is_accounted_for(stack)


@pytest.mark.parametrize("service", SERVICES)
def test_a_killed_container_heals_by_itself(stack: Stack, service: str) -> None:
    """Its main process is killed from outside; `docker kill` would count as a wish that it stay down."""
    before = stack.containers.of(PROJECT)[service]
    try:
        os.kill(before.attrs["State"]["Pid"], signal.SIGKILL)
    except (PermissionError, ProcessLookupError):
        pytest.skip("the containers' processes are not this user's to kill, or run in a virtual machine")

    def back() -> bool:
        after = stack.containers.of(PROJECT)[service]
        return bool(after.attrs["State"]["Running"]) and started_at(after) > started_at(before)

    stack.wait(f"{service} to be back", back, 60)
    stack.wait("the job to go on", lambda: stack.status()["ready"], 180)
    everything_is_accounted_for(stack)


@pytest.mark.on_demand
def test_a_change_to_the_code_needs_no_image(stack: Stack) -> None:
    before = stack.status()["job"]
    stack.tandem("submit")
    after = stack.status()["job"]
    assert after["pid_or_id"] != before["pid_or_id"]
    # Control records come when topics are quiet.
    assert after["input_rows_total"] >= before["input_rows_total"]
    everything_is_accounted_for(stack)


def test_down_and_up_goes_on_where_it_was(stack: Stack) -> None:
    before, documents = stack.status()["job"], stack.contents()
    run(DOWN, stack.variables)
    stack.tandem("up", "--wait")
    now = stack.contents()
    assert now[FACTS.name] == documents[FACTS.name]
    # Windows may have closed since.
    assert documents[UNMATCHED.name].items() <= now[UNMATCHED.name].items()
    assert stack.status()["job"]["input_rows_total"] >= before["input_rows_total"]
    assert "producers" not in stack.containers.of(PROJECT)
    everything_is_accounted_for(stack)


@pytest.mark.on_demand
def test_two_workers(stack: Stack) -> None:
    stack.compose("up", "--detach", "--wait", "--scale", "spark-worker=2", "--no-recreate", "spark-worker")
    with urllib.request.urlopen(f"http://127.0.0.1:{stack.first_port + 4}/json/", timeout=10) as answer:
        assert json.load(answer)["aliveworkers"] == 2
    everything_is_accounted_for(stack)


@pytest.mark.on_demand
def test_a_second_pipeline_runs_beside_the_first(stack: Stack) -> None:
    second = ("--pipeline", "segment_revenue")
    job = stack.status()["job"]["pid_or_id"]
    stack.tandem("--pipeline", "orders_payments,segment_revenue", "up", "--wait")
    stack.tandem(*second, "produce", "--count", "300", "--close")
    assert json.loads(stack.tandem(*second, "verify", "--json").stdout)["ok"]
    status = stack.status()
    assert (status["ready"], status["job"]["pid_or_id"]) == (True, job)
    found = {each["pipeline"]: each for each in status["pipelines"]}
    assert [each["job"]["state"] for each in found.values()] == ["running", "running"]
    with urllib.request.urlopen(f"{found['segment_revenue']['job']['url']}/api/v1/applications", timeout=10) as answer:
        assert json.load(answer)[0]["name"] == "tandem segment_revenue"
    address = f"http://127.0.0.1:{stack.first_port + 5}/api/now?pipeline=segment_revenue"
    with urllib.request.urlopen(address, timeout=10) as answer:
        assert [link["name"] for link in json.load(answer)["pipelines"]] == ["orders_payments", "segment_revenue"]
    stack.tandem(*second, "down")
    assert [each["pipeline"] for each in stack.status()["pipelines"]] == ["orders_payments"]
    assert stack.status()["job"]["pid_or_id"] == job
    everything_is_accounted_for(stack)


def test_compose_alone_refuses_several_pipelines(stack: Stack) -> None:
    several = {**stack.variables, "TANDEM_PIPELINE": "orders_payments,segment_revenue"}
    command = ["docker", "compose", "run", "--rm", "--no-deps", "setup"]
    done = subprocess.run(command, cwd=ROOT, env=several, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "error: this program serves one pipeline, and TANDEM_PIPELINE names 2" in done.stderr + done.stdout


def test_a_busy_port_is_named(stack: Stack) -> None:
    busy = {**stack.variables, "TANDEM_PROJECT": "tandem-tests-2"}
    done = subprocess.run(
        ["python", "-m", "tandem", "up"], env=busy, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 3
    assert f"port {stack.first_port} is busy" in done.stderr
    assert "TANDEM_KAFKA__PORT" in done.stderr


def test_an_engine_that_does_not_answer_is_named(stack: Stack) -> None:
    gone: dict[str, Any] = {**stack.variables, "DOCKER_HOST": "unix:///nowhere/docker.sock"}
    done = subprocess.run(
        ["python", "-m", "tandem", "up"], env=gone, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 3
    assert "no Docker engine answers" in done.stderr
    del gone["TANDEM_PROFILE"]
    done = subprocess.run(
        ["python", "-m", "tandem", "profile", "current"], env=gone, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "embedded"


def test_down_with_volumes_starts_from_nothing(stack: Stack) -> None:
    run(FORGET, stack.variables)
    assert stack.containers.of(PROJECT) == {}
    # Compose leaves what belongs to a service of another profile: where reconcile puts what does not fit into memory.
    assert {volume.name for volume in stack.containers.volumes(PROJECT)} <= {f"{PROJECT}_scratch"}
    stack.tandem("down", "--volumes")
    assert stack.containers.volumes(PROJECT) == []
    stack.tandem("run", "--count", "2000")
    assert stack.containers.of(PROJECT) == {}
