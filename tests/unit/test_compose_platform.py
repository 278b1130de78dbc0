"""What the platform of containers decides, without an engine."""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import Mock

import pytest
from structlog.testing import capture_logs

from tandem.errors import EnvironmentNotReadyError, TandemError, UsageError
from tandem.job_files import RECONCILE, STREAM, submitted
from tandem.platforms import default_profile
from tandem.platforms import service_checks as clocks
from tandem.platforms.base import Stopped
from tandem.platforms.compose import container_logs
from tandem.platforms.compose.cli import Compose, project_name, variables
from tandem.platforms.compose.compose_project import Project
from tandem.platforms.compose.containers import Containers, failure_of, started_at, state_of
from tandem.platforms.compose.engine import Engine, check_builder, check_memory, check_mongo_image, find_engine
from tandem.platforms.compose.environment import ComposeEnvironment
from tandem.platforms.compose.images import choose_images
from tandem.platforms.compose.job_services import JobServices, added_to_compose, job_services
from tandem.platforms.compose.setup import FAILURE_FILE, write_submitted
from tandem.platforms.observe import batch_report
from tandem.settings.load import load
from tests import ROOT


def container(**state: Any) -> Any:
    return SimpleNamespace(attrs={"State": {"Running": False, **state}})


def test_another_path_is_another_project() -> None:
    settings = load("local")
    assert project_name(Path("/a"), settings) == project_name(Path("/a"), settings)
    assert project_name(Path("/a"), settings) != project_name(Path("/b"), settings)
    other = settings.model_copy(update={"environment": "tandem-second"})
    assert project_name(Path("/a"), other).startswith("tandem-second-")


def test_a_named_project_of_another_profile_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def named(owner: str) -> str:
        kafka = SimpleNamespace(labels={"tandem.profile": owner})
        monkeypatch.setattr(Project, "containers", SimpleNamespace(of=lambda _: {"kafka": kafka}))
        return Project(load("local", {"project": "mine"})).name

    assert named("local") == "mine"
    with pytest.raises(UsageError, match="the Compose project mine belongs to the profile second, not to local"):
        named("second")


def test_what_is_set_reaches_the_compose_files() -> None:
    settings = load("local", {"kafka": {"port": 1234}, "ui": {"event_log": True}, "ca": None})
    found = variables(settings, "built")
    assert found["TANDEM_KAFKA__PORT"] == "1234"
    assert found["TANDEM_UI__EVENT_LOG"] == "true"
    assert (found["TANDEM_IMAGES"], found["COMPOSE_PROFILES"]) == ("built", "local")
    # What nobody said is left to .env.
    assert "TANDEM_IMAGES" not in variables(settings, None)


@pytest.mark.parametrize(
    ("volumes", "kind"),
    [
        (["p_kafka_built", "p_mongo_built", "p_prometheus_official"], "built"),
        (["p_kafka_official", "p_mongo_official", "p_prometheus_built"], "official"),
        (["p_mongo_built"], "built"),
        # Nothing was written yet, and the images are on this machine.
        (["p_prometheus_built"], "official"),
    ],
)
def test_only_volumes_of_kafka_and_mongodb_choose_the_images(volumes: list[str], kind: str) -> None:
    services = {name: {"image": name} for name in ("kafka", "mongo")}
    compose = cast(Any, SimpleNamespace(model=lambda: {"services": services}))
    containers = cast(
        Any,
        SimpleNamespace(volumes=lambda _: [SimpleNamespace(name=name) for name in volumes], has_image=lambda _: True),
    )
    assert choose_images(compose, containers, "p") == kind


def test_too_little_memory_is_said_with_what_is_needed() -> None:
    check_memory(Engine("unix:///x", 8 * 2**30))
    with pytest.raises(EnvironmentNotReadyError, match=r"2\.0 GiB") as caught:
        check_memory(Engine("unix:///x", 2 * 2**30))
    assert "embedded" in caught.value.hint


@pytest.mark.parametrize(
    ("found", "state"),
    [
        (None, "stopped"),
        (container(Running=True), "running"),
        (container(Running=True, Paused=True), "stopped"),
        (container(Running=True, Restarting=True), "failed"),
        (container(), "stopped"),
    ],
)
def test_a_containers_state_in_the_words_of_status(found: Any, state: str) -> None:
    assert state_of(found) == state


def checked(*checks: tuple[str, str], **state: Any) -> Any:
    """Returns a container that runs since 20:00:00 with what its health check has said when."""
    log = [{"Start": f"2026-11-22T{time}.5Z", "ExitCode": 1, "Output": said} for time, said in checks]
    began = {"Running": True, "StartedAt": "2026-11-22T20:00:00.123456789Z"}
    return container(**{**began, "Health": {"Status": "healthy", "Log": log}, **state})


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (container(Running=True), None),
        (checked(), None),
        (checked(("20:00:01", "bash: connect: Connection refused\n")), None),
        (checked(("20:00:01", ""), ("20:00:03", "failed: the checkpoint is damaged\n")), "the checkpoint is damaged"),
        # Of the run before.
        (checked(("19:59:59", "failed: the checkpoint is damaged\n")), None),
        (checked(("20:00:03", "failed: the checkpoint is damaged\n"), Running=False), None),
    ],
)
def test_a_job_that_must_not_be_restarted_is_reported_by_its_health_check(found: Any, reason: str | None) -> None:
    assert failure_of(found) == reason
    if reason:
        assert state_of(found) == "failed"


def test_status_has_the_reason_of_a_job_that_must_not_be_restarted(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = checked(("20:00:03", "failed: the checkpoint is damaged\n"))
    failed.labels = {"tandem.pipeline": "orders_payments"}
    monkeypatch.setattr(Project, "containers", SimpleNamespace(of=lambda _: {"job": failed}))
    monkeypatch.setattr(Project, "name", "some-project")
    for pipeline, problem in (("orders_payments", "job stopped: the checkpoint is damaged"), ("segment_revenue", None)):
        settings = load("local", {"pipeline": pipeline})
        environment = ComposeEnvironment(settings)
        assert environment.job(settings).problem() == problem
        assert environment.pipelines() == ["orders_payments"]


def test_the_jobs_health_check_says_why_it_stopped(tmp_path: Path) -> None:
    reason = tmp_path / "failure"
    script = (ROOT / "compose" / "spark" / "job.sh").read_text("utf-8")
    assert FAILURE_FILE in script
    command = ["bash", "-c", script.replace(FAILURE_FILE, str(reason)).replace("/etc/tandem", str(tmp_path))]
    (tmp_path / "http.sh").write_text("echo asked $1 $2")
    asked = subprocess.run(command, capture_output=True, text=True, check=True)
    assert asked.stdout == "asked 4040 /api/v1/applications\n"
    reason.write_text("the checkpoint is damaged\n")
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (told.returncode, told.stdout) == (1, "failed: the checkpoint is damaged\n")


def test_nanoseconds_are_understood() -> None:
    found = container(StartedAt="2026-11-22T20:00:00.123456789Z")
    assert started_at(found) == datetime(2026, 11, 22, 20, 0, 0, 123456, UTC)


def test_the_engines_clock_is_read_in_its_own_time_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    zones = (UTC, timezone(timedelta(hours=-3, minutes=-30)))
    # Docker leaves out zeros at the end.
    for told in (datetime.now(zone).isoformat(timespec=spec) for zone in zones for spec in ("microseconds", "seconds")):
        told = told.replace("+00:00", "Z")
        monkeypatch.setattr(clocks, "find_engine", lambda: None)
        monkeypatch.setattr(
            clocks, "Containers", lambda _, told=told: SimpleNamespace(info=lambda: {"SystemTime": told})
        )
        assert re.fullmatch(r"[+-]\d\.\d s from this machine's", clocks.engine_clock())


def test_an_engine_that_goes_away_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(**_: object) -> None:
        raise ConnectionRefusedError("connection refused")

    client = Mock(containers=SimpleNamespace(list=gone), info=gone)
    monkeypatch.setattr("docker.DockerClient", lambda **_: client)
    containers = Containers(Engine("unix:///x", 0))
    monkeypatch.setattr(Project, "containers", containers)
    # What runs is unknown then, and not nothing.
    for ask in (containers.info, lambda: containers.of("p"), ComposeEnvironment(load("local")).pipelines):
        with pytest.raises(EnvironmentNotReadyError, match="does not answer: connection refused"):
            ask()


def test_the_engines_connections_end_with_who_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[bool] = []

    class Client:
        def __init__(self, **_: object) -> None:
            self.api = SimpleNamespace(close=lambda: closed.append(True))

        def info(self) -> dict[str, int]:
            return {"a": 1}

        @property
        def containers(self) -> SimpleNamespace:
            labels = {"com.docker.compose.service": "job"}
            return SimpleNamespace(list=lambda **_: [SimpleNamespace(client=self, labels=labels)])

    monkeypatch.setattr("docker.DockerClient", Client)
    containers = Containers(Engine("unix:///x", 0))
    assert (containers.info(), closed) == ({"a": 1}, [])
    # A container asks the engine for its log, for example, by the client that found it.
    found = containers.of("p")["job"]
    del containers
    assert closed == []
    del found
    assert closed == [True]


def test_what_could_not_be_stopped_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(Project, "name", "p")
    monkeypatch.setattr(Project, "containers", SimpleNamespace(of=lambda _: {}))
    monkeypatch.setattr(Project, "plain", lambda _: SimpleNamespace(run=lambda *words: asked.extend(words) or 1))
    with pytest.raises(TandemError, match="some containers could not be stopped"):
        ComposeEnvironment(load("local")).stop()
    assert "down" in asked


def test_the_removed_volumes_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    volumes: list[Any] = []
    monkeypatch.setattr(Project, "name", "p")
    monkeypatch.setattr(Project, "containers", SimpleNamespace(of=lambda _: {}, volumes=lambda _: volumes))
    monkeypatch.setattr(Project, "plain", lambda _: SimpleNamespace(run=lambda *_: 0))
    environment = ComposeEnvironment(load("local"))
    assert environment.stop(volumes=True) == Stopped(ran=False)
    volumes += [
        SimpleNamespace(name=name, attrs={"Labels": None}, remove=lambda: None) for name in ("p_mongo", "p_kafka")
    ]
    assert environment.stop(volumes=True) == Stopped(ran=False, deleted="the volumes p_kafka, p_mongo")
    assert environment.stop().deleted == ""


def test_who_follows_the_logs_does_not_wait_for_one_that_cannot_be_read() -> None:
    def broken() -> Iterator[bytes]:
        yield b"2026-11-22T20:00:00.5Z it runs\n"
        raise OSError("the engine has gone")

    container = SimpleNamespace(logs=lambda **_: broken())
    found = list(container_logs.merged({"kafka": container}, follow=True, since=None))
    assert [line.text for line in found] == ["it runs", "its log is no longer readable: OSError"]


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a program on PATH that answers as Docker does in some state."""
    program = tmp_path / "docker"
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)

    def write(script: str) -> None:
        program.write_text(f"#!/bin/bash\n{script}\n")
        program.chmod(0o755)

    return write


def test_without_docker_the_default_is_processes_and_the_reason_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("TANDEM_STATE_DIR", str(tmp_path))
    assert default_profile() == ("embedded", "there is no docker program on PATH")


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo 'permission denied while trying to connect' >&2; exit 1", "permission denied"),
        ("echo 'Cannot connect to the Docker daemon' >&2; exit 1", "no Docker engine answers"),
        ("""[ "$1" != compose ] && echo '{"ServerVersion": "1"}' || echo 2.3.0""", "Compose 2.20 or newer"),
        (
            """[ "$1" != compose ] && echo '{"ServerVersion": "1"}' && exit
            echo "docker: 'compose' is not a docker command" >&2; exit 1""",
            "no Compose plugin",
        ),
        (
            """[ "$1" != compose ] && echo '{"ServerVersion": "1"}' && exit
            echo "docker: unknown command: docker compose" >&2; exit 125""",
            "no Compose plugin",
        ),
        (
            """[ "$1" = context ] && echo ssh://me@far.example""",
            "another machine, ssh://far.example .by its current context",
        ),
        ("""[ "$1" = context ] && echo tcp://docker:2375""", "another machine, tcp://docker"),
        ("echo hi", r"docker info` printed no JSON object: hi$"),
        ("echo []", "printed no JSON object: "),
        ("echo null", "printed no JSON object: null"),
        ("printf '[%.0s' {1..20000}", "printed no JSON object: "),
        ("printf '1%.0s' {1..5000}", "printed no JSON object: 1"),
        ("true", "printed no JSON object: nothing"),
        (r"printf '\xff'", "printed no JSON object: "),
        ("echo 'http://[bad'", "printed no JSON object: "),
    ],
)
def test_an_engine_that_cannot_be_used_is_named(script: str, words: str, docker: Callable[[str], None]) -> None:
    docker(script)
    with pytest.raises(EnvironmentNotReadyError, match=words):
        find_engine()


def test_another_program_named_docker_leaves_the_default_to_processes(
    docker: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TANDEM_STATE_DIR", str(tmp_path))
    docker("echo hi")
    profile, why = default_profile()
    assert profile == "embedded"
    assert "printed no JSON object" in why


def test_a_model_that_is_no_json_is_reported(docker: Callable[[str], None], tmp_path: Path) -> None:
    docker("echo hi")
    with pytest.raises(EnvironmentNotReadyError, match="docker compose config` printed no JSON object") as caught:
        Compose(tmp_path, "ours", {}).model()
    assert str(tmp_path / "docker") in caught.value.hint


@pytest.mark.parametrize("output", ["hi", "[]", "[" * 20_000, "1" * 5000])
def test_a_batch_that_reports_no_json_has_failed(output: str) -> None:
    with pytest.raises(TandemError, match="the reconciliation failed: it printed no report"):
        batch_report("reconcile", 0, output, "")


@pytest.mark.parametrize(
    "host",
    [
        "unix:///var/run/docker.sock",
        "npipe:////./pipe/docker_engine",
        *(f"tcp://{name}:2375" for name in ("127.0.0.1", "127.0.0.2", "0.0.0.0", "localhost", "[::1]", "[::]")),
    ],
)
def test_an_engine_on_this_machine_is_taken(host: str, docker: Callable[[str], None]) -> None:
    docker(
        f"""case "$1" in
        context) echo {host};;
        info) echo '{{"ServerVersion": "28.0", "MemTotal": 8, "Architecture": "aarch64"}}';;
        version) echo '{{"Components": [{{"Name": "Engine"}}]}}';;
        compose) echo v2.40.3-desktop.1;;
        esac"""
    )
    assert find_engine() == Engine(host=host, memory=8, compose="2.40", architecture="aarch64")


def test_what_names_an_engine_elsewhere_is_named(
    docker: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    docker('[ "$1" = context ] && echo "$DOCKER_HOST"')
    monkeypatch.setenv("DOCKER_HOST", "tcp://user:secret@far.example:2376")
    with pytest.raises(EnvironmentNotReadyError, match=r"far\.example \(by DOCKER_HOST") as caught:
        find_engine()
    assert caught.value.hint == "unset DOCKER_HOST, or use `--profile embedded`"
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("compose", "script", "found"),
    [
        ("2.26", "exit 1", "not needed by Compose 2.26"),
        ("2.40", "echo github.com/docker/buildx v0.17.1 257815a", "0.17.1"),
        ("5.0", "echo github.com/docker/buildx 0.30.0+ds1 0.30.0+ds1-1", "0.30.0+ds1"),
    ],
)
def test_a_builder_that_compose_takes(compose: str, script: str, found: str, docker: Callable[[str], None]) -> None:
    docker(script)
    assert check_builder(Engine("", 0, compose)) == found


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo github.com/docker/buildx v0.13.1 788433", "buildx 0.17 or newer, but 0.13.1 is installed"),
        ("echo \"docker: 'buildx' is not a docker command.\" >&2; exit 1", "but none is installed"),
    ],
)
def test_a_builder_that_compose_refuses(script: str, words: str, docker: Callable[[str], None]) -> None:
    docker(script)
    with pytest.raises(EnvironmentNotReadyError, match=words) as caught:
        check_builder(Engine("", 0, "2.40"))
    assert "docker-buildx" in caught.value.hint


@pytest.mark.parametrize("architecture", ["x86_64", "aarch64", ""])
@pytest.mark.parametrize("source", ["image", "build"])
def test_mongodbs_image_is_not_built_where_no_package_has_it(architecture: str, source: str) -> None:
    engine, services = Engine("", 0, architecture=architecture), {"mongo": {source: "x"}}
    if (architecture, source) != ("aarch64", "build"):
        check_mongo_image(engine, services)
        return
    with pytest.raises(EnvironmentNotReadyError, match="cannot be built for aarch64") as refused:
        check_mongo_image(engine, services)
    assert "TANDEM_IMAGES=official" in refused.value.hint


def test_the_users_pipelines_are_mounted_where_they_are(tmp_path: Path) -> None:
    own = tmp_path / "pipelines"
    settings = load("local", {"pipelines_dir": own})
    assert "TANDEM_PIPELINES_MOUNT" not in variables(settings, "built")
    own.mkdir()
    assert variables(settings, "built")["TANDEM_PIPELINES_MOUNT"] == str(own)
    other = tmp_path / "mine"
    other.mkdir()
    with pytest.raises(UsageError, match="must be named pipelines"):
        variables(load("local", {"pipelines_dir": other}), "built")


def test_a_further_pipeline_gets_services_of_its_own() -> None:
    model = {
        "setup": {"command": ["python", "--conf=/conf"], "environment": {"TANDEM_PIPELINE": "b"}, "build": {}},
        "job": {
            "command": ["python", "/conf/submitted.py", "@/conf/arguments"],
            "environment": {"PYSPARK_SUBMIT_ARGS": "--properties-file /conf/spark.conf pyspark-shell"},
            "hostname": "job",
            "depends_on": {"setup": {"condition": "service_completed_successfully"}, "kafka": {}},
        },
        "batch": {"command": ["@/conf/batch/arguments"], "environment": {}},
    }
    assert added_to_compose({}, ["a"]) == {}
    added = added_to_compose({"b_c": model}, ["a"])["services"]
    added_services = JobServices.beside_others("b_c")
    assert set(added) == {"setup-b_c", "job-b_c", "batch-b_c", "dashboard"}
    assert added["setup-b_c"]["command"] == ["python", "--conf=/conf/b_c", "--driver=job-b-c"]
    assert "build" not in added["setup-b_c"]
    assert added["job-b_c"]["command"][1:] == ["/conf/b_c/submitted.py", "@/conf/b_c/arguments"]
    assert "/conf/b_c/spark.conf" in added["job-b_c"]["environment"]["PYSPARK_SUBMIT_ARGS"]
    assert (added["job-b_c"]["hostname"], set(added["job-b_c"]["depends_on"])) == ("job-b-c", {"setup-b_c", "kafka"})
    for pipeline, services, folder in (("a", JobServices("a"), "/conf"), ("b_c", added_services, "/conf/b_c")):
        assert services.pipeline == pipeline
        # `tandem replay` adds arguments to the service's own command.
        assert services.batch_command[1:] == (f"{folder}/batch/submitted.py", f"@{folder}/batch/arguments")
    assert added["batch-b_c"]["command"] == [added_services.batch_command[-1]]
    assert added["job-b_c"]["networks"] == {"default": {"aliases": ["job-b-c"]}}
    assert added["dashboard"]["environment"] == {"TANDEM_PIPELINE": "a,b_c"}
    # The model stays as it is: it is of the first pipeline, too.
    assert model["job"]["hostname"] == "job"


def test_setup_writes_what_the_containers_submit(tmp_path: Path) -> None:
    for name, entry, named in (
        ("orders_payments", STREAM, []),
        ("segment_revenue", STREAM, ["--pipeline", "tandem.pipelines.segment_revenue"]),
        ("orders_payments", RECONCILE, ["--pipeline", "tandem.pipelines.orders_payments"]),
    ):
        place = load("local", {"pipeline": name}).location
        write_submitted(tmp_path, place, entry)
        assert (tmp_path / "submitted.py").read_bytes() == submitted(place, entry).file.read_bytes()
        assert (tmp_path / "arguments").read_text().splitlines() == [*named, "--config", f"{tmp_path}/job.json"]


def test_jobs_are_known_by_their_containers_labels() -> None:
    found = {
        name: SimpleNamespace(labels={"tandem.pipeline": pipeline} if pipeline else {})
        for name, pipeline in (("job-a", "a"), ("kafka", None), ("job", "z"))
    }
    assert [(name, each.job) for name, each in job_services(found).items()] == [("z", "job"), ("a", "job-a")]


def test_each_further_job_needs_memory() -> None:
    check_memory(Engine("unix:///x", 7 * 2**30), jobs=2)
    with pytest.raises(EnvironmentNotReadyError, match="containers need 7"):
        check_memory(Engine("unix:///x", 6 * 2**30), jobs=2)


def project(pipeline: str, **jobs: str) -> Project:
    """Returns the project as a command about a pipeline sees it: of each service of a job, whose it is."""
    found = {"kafka": container(Running=True)}
    for number, (service, owner) in enumerate(jobs.items()):
        job = found[service.replace("_", "-", 1)] = container(Running=True)
        job.labels = {"tandem.pipeline": owner}
        job.attrs["HostConfig"] = {"PortBindings": {"4040/tcp": [{"HostPort": str(14040 + number)}]}}
    made = Project(load("local", {"pipeline": pipeline}))
    made.__dict__.update(containers=SimpleNamespace(of=lambda _: found), name="some-project")
    return made


def services(pipeline: str, **jobs: str) -> JobServices:
    return project(pipeline, **jobs).services_of(pipeline)


def test_the_first_pipeline_has_the_plain_names() -> None:
    assert services("orders_payments").job == "job"
    assert services("orders_payments", job="orders_payments").named("setup") == "setup"
    second = project("segment_revenue", job="orders_payments", job_segment_revenue="segment_revenue")
    assert second.services_of("segment_revenue").job == "job-segment_revenue"
    assert second.running() == ["orders_payments", "segment_revenue"]
    assert [second.page_port(services.job) for services in second.jobs().values()] == [14040, 14041]
    second.check_running("segment_revenue")
    # The first one was taken away: its names stay its own.
    assert services("orders_payments", job_segment_revenue="segment_revenue").job == "job-orders_payments"


def test_what_does_not_run_is_named_with_what_does() -> None:
    with pytest.raises(EnvironmentNotReadyError, match="nothing runs"):
        project("orders_payments").check_running("orders_payments")
    with pytest.raises(EnvironmentNotReadyError, match="runs segment_revenue, not orders_payments") as caught:
        project("orders_payments", job="segment_revenue").check_running("orders_payments")
    assert "`tandem --pipeline orders_payments up`" in caught.value.hint


def test_a_busy_port_of_a_page_is_reported_and_keeps_no_container_from_starting(
    monkeypatch: pytest.MonkeyPatch, many_ports: int
) -> None:
    first = many_ports
    ui = {"spark_port": first, "master_port": first + 1, "dashboard_port": first + 2}
    settings = load("local", {"ui": ui, "images": "built"})
    job = ComposeEnvironment(settings).job(settings)
    started: list[tuple[str, ...]] = []
    limits = {"job": {"mem_limit": "1879048192"}}
    fake = SimpleNamespace(run=lambda *words: started.append(words) or 0, model=lambda: {"services": limits})
    monkeypatch.setattr(Project, "containers", SimpleNamespace(of=lambda _: {}))
    monkeypatch.setattr(Project, "name", "some-project")
    monkeypatch.setattr(Project, "engine", Engine("unix:///x", 8 * 2**30, "2.26.1"))
    monkeypatch.setattr(Project, "compose", lambda *_: fake)
    large = settings.model_copy(update={"spark": {**settings.spark, "spark.driver.memory": "4g"}})
    with pytest.raises(UsageError, match=r"spark\.driver\.memory is 4g, but the container job has 1792 MiB"):
        ComposeEnvironment(large).job(large).submit()
    assert not started
    with ExitStack() as held:
        for port in ui.values():
            held.enter_context(socket.create_server(("127.0.0.1", port)))
        moved = Project(settings).settings_of("orders_payments", settings).ui
        assert (moved.master_port, moved.spark_port) == (first + 3, first + 4)
        with capture_logs() as said:
            job.submit()
        assert [words[-1] for words in started] == ["job"]
        assert f"port {first + 2} is busy" in "".join(each.get("error", "") for each in said)
    job.submit()
    assert [words[-1] for words in started] == ["job", "job", "dashboard"]


def test_images_are_named_with_their_sizes_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def container(service: str, *tags: str) -> SimpleNamespace:
        image = SimpleNamespace(tags=list(tags), attrs={"Size": 100})
        return SimpleNamespace(labels={"com.docker.compose.service": service}, image=image)

    found = [container("job", "tandem/spark:0.1.0"), container("setup", "tandem/spark:0.1.0"), container("old")]
    client = Mock(containers=SimpleNamespace(list=lambda **_: found))
    monkeypatch.setattr("docker.DockerClient", lambda **_: client)
    assert Containers(Engine("unix:///x", 0)).image_sizes("p") == {"tandem/spark": 100}
