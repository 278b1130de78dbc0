"""What Compose makes of the compose files, without an engine: every profile, both kinds of images."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import subprocess
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tandem.dashboard.other_pages import parsed
from tandem.errors import UsageError
from tandem.platforms.compose.cli import variables
from tandem.platforms.compose.heaps import check_heaps_fit
from tandem.runtimes import runtimes
from tandem.settings.load import load
from tests import ROOT

KINDS = ("official", "built")
PROFILES = ("local", "history", "tools", "gcp", "observe", "registry", "ui", "gcp-ui")
# Images without Bash: what their health checks run.
CHECKED_BY = {"prometheus": "promtool", "mongo-ui": "node", "cloud-mongo-ui": "node"}
OFFICIAL_CHECKED_BY = {"kafka-ui": "wget", "cloud-kafka-ui": "wget"}
# They run until they are stopped, and nothing waits for them.
UNCHECKED = {"producers", "cloud-producers"}
EVERYTHING = tuple(itertools.product(KINDS, PROFILES))

pytestmark = pytest.mark.skipif(shutil.which("docker") is None, reason="there is no docker program on PATH")


@cache
def model(kind: str, profile: str, *variables: tuple[str, str]) -> dict[str, Any]:
    """Returns the project as ``docker compose --profile <profile>`` would run it."""
    ours = re.compile("TANDEM_|COMPOSE_|OTEL_|OPENLINEAGE_")
    environment = {name: value for name, value in os.environ.items() if not ours.match(name)}
    done = subprocess.run(
        ["docker", "compose", "--profile", profile, "config", "--format", "json"],
        cwd=ROOT,
        # The flag adds to what .env says.
        env={**environment, "COMPOSE_PROFILES": "", "TANDEM_IMAGES": kind, **dict(variables)},
        capture_output=True,
        text=True,
        check=True,
    )
    rendered: dict[str, Any] = json.loads(done.stdout)
    return rendered


def services(kind: str, profile: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = model(kind, profile)["services"]
    return found


def dotenv() -> dict[str, str]:
    lines = (ROOT / ".env").read_text("utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


@pytest.mark.parametrize(("kind", "profile"), EVERYTHING)
def test_every_port_is_on_loopback_and_can_be_moved(kind: str, profile: str) -> None:
    ports = {name: value for name, value in dotenv().items() if name.endswith("_PORT")}
    moved = tuple((name, str(int(value) + 1000)) for name, value in ports.items())
    for name, service in services(kind, profile).items():
        then = model(kind, profile, *moved)["services"][name].get("ports", [])
        for before, after in zip(service.get("ports", []), then, strict=True):
            assert before["host_ip"] == "127.0.0.1", name
            assert before["published"] in ports.values(), name
            assert int(after["published"]) == int(before["published"]) + 1000, name
        assert service.get("network_mode") is None, name


def test_the_ports_are_those_of_the_settings() -> None:
    settings, values = load("local"), dotenv()
    assert {
        "TANDEM_KAFKA__PORT": str(settings.kafka.port),
        "TANDEM_MONGO__PORT": str(settings.mongo.port),
        "TANDEM_UI__DASHBOARD_PORT": str(settings.ui.dashboard_port),
        "TANDEM_UI__SPARK_PORT": str(settings.ui.spark_port),
        "TANDEM_UI__MASTER_PORT": str(settings.ui.master_port),
        "TANDEM_KAFKA__PARTITIONS": str(settings.kafka.partitions),
        "TANDEM_JOB__LATENESS_SECONDS": str(settings.job.lateness_seconds),
        "TANDEM_JOB__IDLE_TIMEOUT_SECONDS": str(settings.job.idle_timeout_seconds),
        "TANDEM_JOB__OUTAGE_TOLERANCE_SECONDS": str(settings.job.outage_tolerance_seconds),
        "TANDEM_PIPELINE": settings.pipeline,
    }.items() <= values.items()


def test_the_job_in_containers_has_the_settings_that_verify_has(monkeypatch: pytest.MonkeyPatch) -> None:
    own = {
        "TANDEM_JOB__PARAMETERS__MATCH_WINDOW_SECONDS": "600",
        "TANDEM_JOB__LATENESS_SECONDS": "7",
        "TANDEM_JOB__MAX_CLOCK_SKEW_SECONDS": "9",
        "TANDEM_JOB__TRIGGER_SECONDS": "0.5",
        "TANDEM_SPARK": json.dumps({"spark.executor.memory": "2g", "spark.x": 'a "$b" c\\d'}),
    }
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    here = load("local")
    told = model("built", "local", *variables(here, "built").items())["services"]["setup"]["environment"]
    for name in own:
        monkeypatch.delenv(name)
    for name, value in told.items():
        # Compose writes what it would read.
        monkeypatch.setenv(name, str(value).replace("$$", "$"))
    inside = load("local")
    assert (inside.job, inside.spark) == (here.job, here.spark)
    assert inside.job.parameters == {"match_window_seconds": 600}
    assert inside.spark["spark.x"] == 'a "$b" c\\d'


@pytest.mark.parametrize(("kind", "profile"), EVERYTHING)
def test_no_image_has_a_floating_tag(kind: str, profile: str) -> None:
    for name, service in services(kind, profile).items():
        repository, _, tag = service["image"].rpartition(":")
        assert repository, name
        # At least a minor version, or a release of Debian's.
        assert re.fullmatch(r"v?\d+\.\d+\.\d+(\.Final)?", tag), (name, tag)


@pytest.mark.parametrize(("kind", "profile"), EVERYTHING)
def test_every_service_is_checked_by_protocol_or_waited_for(kind: str, profile: str) -> None:
    """A one-shot that nothing depends on makes ``up --wait`` fail when it has finished."""
    found = services(kind, profile)
    awaited = {
        needed: condition["condition"]
        for service in found.values()
        for needed, condition in service.get("depends_on", {}).items()
    }
    for name, service in found.items():
        if service["restart"].startswith("on-failure"):
            assert awaited[name] == "service_completed_successfully", name
        elif service["restart"] == "no":
            # Started by `docker compose run` alone, which waits for its end.
            assert service["profiles"] == ["tools"], name
        elif name not in UNCHECKED:
            programs = CHECKED_BY | (OFFICIAL_CHECKED_BY if kind == "official" else {})
            program = programs.get(name, "bash")
            assert service["healthcheck"]["test"][:2] == ["CMD", program], name
            # Podman's service splits an argument that has some.
            assert not re.search(r"\s", "".join(service["healthcheck"]["test"])), name
    for name, condition in awaited.items():
        assert condition != "service_healthy" or "healthcheck" in found[name], name


@pytest.mark.parametrize(("kind", "profile"), EVERYTHING)
def test_no_service_has_more_power_than_it_needs(kind: str, profile: str) -> None:
    for name, service in services(kind, profile).items():
        # The worker's files are too many for memory, and end with its container.
        assert service.get("read_only", False) is (name != "spark-worker"), name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "container_name" not in service, name
        assert int(service["mem_limit"]) > 0, name
        assert service["logging"]["options"].keys() == {"max-size", "max-file"}, name
        for mount in service["volumes"]:
            assert mount["type"] == "volume" or mount["read_only"], (name, mount)
            assert "docker.sock" not in mount["source"], name
    limits = [int(service["mem_limit"]) for service in services(kind, "local").values()]
    assert sum(limits) < 8 * 2**30


@pytest.mark.parametrize(("profile", "differing"), [("local", ["kafka", "mongo"]), ("registry", ["registry"])])
def test_both_kinds_of_images_have_one_contract(profile: str, differing: list[str]) -> None:
    def comparable(kind: str) -> dict[str, dict[str, Any]]:
        return {
            name: {key: value for key, value in service.items() if key not in ("image", "build")}
            for name, service in services(kind, profile).items()
        }

    def volumes(kind: str) -> dict[str, dict[str, Any]]:
        found = model(kind, profile).get("volumes", {})
        return {name: {**each, "name": each["name"].removesuffix(f"_{kind}")} for name, each in found.items()}

    assert comparable("official") == comparable("built")
    assert volumes("official") == volumes("built")
    official = services("official", profile)
    assert [n for n, s in services("built", profile).items() if s["image"] != official[n]["image"]] == differing


@pytest.mark.parametrize(("kind", "profile"), EVERYTHING)
def test_a_page_of_python_stops_at_once(kind: str, profile: str) -> None:
    """As the container's first process, Python ignores SIGTERM, and Docker would wait ten seconds for it."""
    pages = [each for each in services(kind, profile).values() if "http.server" in " ".join(each.get("command") or ())]
    assert bool(pages) == (kind == "built" and profile in ("observe", "ui", "gcp-ui"))
    assert {each.get("stop_signal") for each in pages} <= {"SIGINT"}


def test_prometheus_is_the_same_in_both_kinds_of_images() -> None:
    """Debian has no Grafana: with built images, a page at its address says so."""
    official, built = services("official", "observe"), services("built", "observe")
    own = {"image", "build"}
    for name in ("prometheus", "exporter"):
        both = [{key: value for key, value in each[name].items() if key not in own} for each in (official, built)]
        assert both[0] == both[1], name
    assert official["grafana"]["ports"] == built["grafana"]["ports"]
    assert built["grafana"]["image"] == official["exporter"]["image"]
    page = (ROOT / "compose" / "observe" / "no_grafana" / "index.html").read_text("utf-8")
    assert "Grafana does not run" in page
    assert f"http://127.0.0.1:{dotenv()['TANDEM_UI__PROMETHEUS_PORT']} " in page


@pytest.mark.parametrize(("profile", "before"), [("ui", ""), ("gcp-ui", "cloud-")])
def test_the_pages_are_the_same_in_both_kinds_of_images(profile: str, before: str) -> None:
    """No package has Kafka UI: with built images, a page in its place says so."""
    official, built = services("official", profile), services("built", profile)
    own = {"image", "build"}
    for name in ("ui-setup", "ui", "mongo-ui"):
        both = [
            {key: value for key, value in each[before + name].items() if key not in own} for each in (official, built)
        ]
        assert both[0] == both[1], name
    assert built[f"{before}kafka-ui"]["image"] == official[f"{before}ui-setup"]["image"]
    page = (ROOT / "compose" / "ui" / "no_kafka_ui" / "index.html").read_text("utf-8")
    assert "Kafka UI does not run: it comes only from a container registry" in page


@pytest.mark.parametrize(("profile", "before"), [("ui", ""), ("gcp-ui", "cloud-")])
@pytest.mark.parametrize("kind", KINDS)
def test_pages_are_reached_through_the_service_that_checks_who_asks(kind: str, profile: str, before: str) -> None:
    found = services(kind, profile)
    assert [name for name, service in found.items() if service.get("ports")] == [f"{before}ui"]
    config = (ROOT / "compose" / "ui" / "nginx.conf").read_text("utf-8")
    targets = re.findall(r"proxy_pass http://\$\{prefix\}([a-z-]+):\d+;", config)
    assert {f"{before}{name}" for name in targets} == {f"{before}kafka-ui", f"{before}mongo-ui"} < set(found)
    assert found[f"{before}ui"].get("hostname", "ui") == f"{before}ui"
    ports = {str(port["target"]) for port in found[f"{before}ui"]["ports"]}
    assert ports == set(re.findall(r"listen (\d+)", config))


@pytest.mark.parametrize("kind", KINDS)
def test_each_page_of_the_cloud_gets_only_its_own_password(kind: str) -> None:
    found = services(kind, "gcp-ui")
    secrets = {name: [each["source"] for each in service.get("secrets", ())] for name, service in found.items()}
    kafka = ["kafka_password"] if kind == "official" else []
    assert secrets == {
        "cloud-ui": [],
        "cloud-kafka-ui": kafka,
        "cloud-mongo-ui": ["mongo_password"],
        # As all services of the cloud; it does not read the password.
        "cloud-ui-setup": ["kafka_password"],
    }


def test_the_dashboard_links_to_services_at_the_ports_that_they_serve() -> None:
    local = services("built", "local") | services("built", "ui")
    cloud = services("built", "gcp") | services("built", "gcp-ui")
    for found, name in ((local, "dashboard"), (cloud, "cloud-dashboard")):
        pages = [parsed(word.removeprefix("--page=")) for word in found[name]["command"] if word.startswith("--page=")]
        assert {page.host for page in pages} <= set(found)
        published = {port["published"] for service in found.values() for port in service.get("ports", ())}
        assert {page.url.removeprefix("http://127.0.0.1:") for page in pages} <= published
        listening = {"job": 4040, "spark-master": 8080, "kafka-ui": 8080, "mongo-ui": 3100}
        assert {(page.host.removeprefix("cloud-"), page.port) for page in pages} <= set(listening.items())


def test_prometheus_reads_services_at_the_ports_that_they_serve() -> None:
    """Names of services and ports in prometheus.yml are those of the compose files."""
    config = (ROOT / "compose" / "observe" / "prometheus.yml").read_text("utf-8")
    targets = set(re.findall(r'targets: \["([a-z]+):(\d+)"\]', config))
    targets |= set(re.findall(r"names: \[([a-z]+)\], type: A, port: (9464)", config))
    found = services("official", "local") | services("official", "observe")
    served = {
        (name, re.sub(r".*:", "", word))
        for name, service in found.items()
        for word in service["command"] or ()
        if re.fullmatch(r"--(listen|metrics)=0\.0\.0\.0:\d+", word)
    }
    # Spark's page has its default port.
    assert targets == served | {("job", "4040")}
    (published,) = found["job"]["ports"]
    assert published["target"] == 4040


@pytest.mark.parametrize("profile", ["local", "registry", "ui", "gcp-ui"])
def test_an_image_is_built_once(profile: str) -> None:
    built = [service["image"] for service in services("built", profile).values() if "build" in service]
    assert len(built) == len(set(built))
    assert set(built) == {service["image"] for service in services("built", profile).values()}


def test_versions_are_those_of_the_runtimes_table() -> None:
    values, default = dotenv(), runtimes().default
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert values["TANDEM_VERSION"] == project["version"]
    broker = next(package for package in runtimes().packages["kafka"] if ":kafka_" in package)
    assert values["KAFKA_IMAGE"].rpartition(":")[2] == broker.rpartition(":")[2]
    (registry,) = runtimes().packages["registry"]
    assert values["REGISTRY_IMAGE"].rpartition(":")[2] == registry.split(":")[2]
    packages = json.loads((ROOT / "requirements" / "mongo-ui" / "package.json").read_text("utf-8"))
    assert values["MONGO_UI_IMAGE"].rpartition(":")[2] == packages["dependencies"]["mongoku"]
    dockerfile = (ROOT / "images" / "Dockerfile").read_text("utf-8")
    assert f"openjdk-{default.java}-jre-headless" in dockerfile
    # Debian 13 is the twin of the Dataproc image; its Python is the table's.
    assert default.image.endswith("debian13")
    assert values["BASE_IMAGE"] == "debian:trixie-slim"


@pytest.mark.parametrize("kind", KINDS)
def test_each_service_carries_its_own_profile(kind: str) -> None:
    """What is set in the shell for one profile cannot reach a service of another."""
    leaked = (
        ("TANDEM_PROFILE", "gcp"),
        ("TANDEM_KAFKA__BOOTSTRAP", "elsewhere:1"),
        ("TANDEM_MONGO__URI", "mongodb://x"),
    )
    for profile, expected in (
        *(("local", "local"), ("history", "local"), ("gcp", "gcp")),
        *(("ui", "local"), ("gcp-ui", "gcp")),
    ):
        for name, service in model(kind, profile, *leaked)["services"].items():
            environment = service.get("environment") or {}
            assert environment.get("TANDEM_PROFILE", expected) == expected, name
            if expected == "local":
                assert environment.get("TANDEM_KAFKA__BOOTSTRAP", "kafka:9092") == "kafka:9092", name
                assert "mongodb://x" not in environment.values(), name


@pytest.mark.parametrize("kind", KINDS)
def test_the_services_of_a_users_profile_carry_its_name_and_its_file(kind: str) -> None:
    chosen = (
        ("TANDEM_LOCAL_PROFILE", "second"),
        ("TANDEM_CLOUD_PROFILE", "staging"),
        ("TANDEM_PROFILES_MOUNT", "/home/me/tandem.toml"),
    )
    for profile, expected in (
        *(("local", "second"), ("history", "second"), ("gcp", "staging")),
        *(("ui", "second"), ("gcp-ui", "staging")),
    ):
        for name, service in model(kind, profile, *chosen)["services"].items():
            assert service["labels"]["tandem.profile"] == expected, name
            if not profile.startswith("gcp"):
                assert service["labels"]["tandem.profiles"] == "/home/me/tandem.toml", name
            environment = service.get("environment") or {}
            mounts = {mount["target"]: mount["source"] for mount in service["volumes"] if mount["type"] == "bind"}
            if "TANDEM_PROFILE" not in environment:
                assert not name.startswith(("setup", "producers", "dashboard", "cloud-producers", "cloud-dashboard"))
                continue
            assert environment["TANDEM_PROFILE"] == expected, name
            assert mounts["/opt/tandem/tandem.toml"] == "/home/me/tandem.toml", name
            if profile.startswith("gcp"):
                assert mounts["/opt/tandem/.env.staging"] == str(ROOT / ".env.staging"), name


@pytest.mark.parametrize(("kind", "profile"), EVERYTHING)
def test_volumes_have_the_labels_of_the_services(kind: str, profile: str) -> None:
    chosen = (("TANDEM_LOCAL_PROFILE", "second"), ("TANDEM_PROFILES_MOUNT", "/home/me/tandem.toml"))
    for name, volume in model(kind, profile, *chosen).get("volumes", {}).items():
        assert volume["labels"] == {"tandem.profile": "second", "tandem.profiles": "/home/me/tandem.toml"}, name


@pytest.mark.parametrize("kind", KINDS)
def test_the_cloud_profile_starts_nothing_local(kind: str) -> None:
    found = services(kind, "gcp")
    assert sorted(found) == ["cloud-dashboard", "cloud-producers"]
    for name, service in found.items():
        assert not service.get("depends_on")
        assert bool(service.get("ports")) == (name == "cloud-dashboard")


def test_all_services_of_the_local_profile() -> None:
    assert set(services("official", "local")) == {
        *("kafka", "mongo", "setup", "spark-master", "spark-worker", "job", "producers"),
        "dashboard",
    }
    assert set(services("official", "history")) == {"spark-history"}
    assert set(services("official", "registry")) == {"registry"}
    assert set(services("official", "observe")) == {"prometheus", "grafana", "exporter"}
    assert set(services("official", "ui")) == {"ui-setup", "ui", "kafka-ui", "mongo-ui"}
    assert set(services("official", "gcp-ui")) == {f"cloud-{name}" for name in services("official", "ui")}


def test_what_is_submitted_is_what_setup_has_written() -> None:
    found = services("official", "local")
    job, setup = found["job"], found["setup"]
    assert job["command"] == ["python", "/conf/submitted.py", "@/conf/arguments"]
    assert any(mount["target"] == "/conf" for mount in job["volumes"])
    assert "--conf=/conf" in setup["command"]


def test_source_and_the_users_pipelines_are_mounted_wherever_a_pipeline_is_imported() -> None:
    found = services("official", "local")
    for name in ("setup", "job", "producers", "dashboard", "spark-worker"):
        mounts = {mount["target"]: Path(mount["source"]) for mount in found[name]["volumes"] if mount["type"] == "bind"}
        assert mounts["/opt/tandem/src"] == ROOT / "src"
        assert mounts["/opt/tandem/pipelines"] == ROOT / "pipelines"
    elsewhere = model("official", "local", ("TANDEM_PIPELINES_MOUNT", "/home/me/pipelines"))["services"]["job"]
    assert "/home/me/pipelines" in [mount["source"] for mount in elsewhere["volumes"]]


def test_the_driver_is_given_less_than_its_container_has() -> None:
    """Python and what Java needs beside its heap have to fit too; else the kernel ends the container."""
    spark, found = load("local").spark, services("official", "local")
    for setting, service in (("spark.driver.memory", "job"), ("spark.executor.memory", "spark-worker")):
        heap = int(spark[setting].removesuffix("m")) if spark[setting].endswith("m") else int(spark[setting][0]) * 1024
        assert heap * 1.4 <= int(found[service]["mem_limit"]) / 2**20, service


@pytest.mark.parametrize(
    ("setting", "memory", "service", "limit"),
    [
        ("spark.driver.memory", "4g", "job", 1792),
        ("spark.driver.memory", "1281m", "job", 1792),
        ("spark.executor.memory", "4G", "spark-worker", 2944),
        # 512 MiB, and 1024 for the state.
        ("spark.executor.memory", "1409m", "spark-worker", 2944),
    ],
)
def test_a_heap_that_does_not_fit_into_its_container_is_refused(
    setting: str, memory: str, service: str, limit: int
) -> None:
    found, spark = services("official", "local"), {**load("local").spark, setting: memory}
    with pytest.raises(UsageError, match=rf"{setting} is {memory}, but the container {service} has {limit} MiB"):
        check_heaps_fit(spark, found, "job")
    # With a larger container it fits, and what is not known is not compared.
    larger = {**found, service: {**found[service], "mem_limit": str(8 * 2**30)}}
    check_heaps_fit(spark, larger, "job")
    check_heaps_fit(spark, {}, "job")


def test_the_heaps_of_the_profile_fit_into_their_containers() -> None:
    check_heaps_fit({**load("local").spark, "spark.driver.memory": "1280m"}, services("official", "local"), "job")


def test_the_python_of_compose_is_only_a_driver() -> None:
    """Nothing of Tandem's tools is needed on the host for ``docker compose up``."""
    for service in services("official", "local").values():
        for mount in service["volumes"]:
            if mount["type"] == "bind":
                assert Path(mount["source"]).is_relative_to(ROOT)


@pytest.mark.parametrize(("kind", "profile"), EVERYTHING)
def test_mounted_files_can_be_read_where_selinux_decides(kind: str, profile: str) -> None:
    for name, service in services(kind, profile).items():
        for mount in service["volumes"]:
            assert mount["type"] == "volume" or mount["bind"]["selinux"] == "z", (name, mount)


def test_images_are_built_through_the_proxies_of_the_environment() -> None:
    proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://proxy:3128")
    proxies |= {"NO_PROXY": "corp", "no_proxy": "corp"}
    built = [
        each["build"]["args"] for profile in PROFILES for each in services("built", profile).values() if "build" in each
    ]
    # What is not set there does not hide what Docker's own configuration says.
    assert all(not proxies.keys() & arguments.keys() for arguments in built)
    for profile in ("local", "gcp", "registry", "ui", "gcp-ui"):
        for service in model("built", profile, *proxies.items())["services"].values():
            if "build" in service:
                assert proxies.items() <= service["build"]["args"].items()


def test_the_dashboard_sends_telemetry_where_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """The address is the profile's; the libraries' own variables pass through."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318")
    monkeypatch.setenv("TANDEM_TELEMETRY__METRICS", "false")
    here = load("local")
    own = (("OTEL_EXPORTER_OTLP_HEADERS", "api-key=secret"), ("OPENLINEAGE_API_KEY", "key"))
    environment = model("built", "local", *variables(here, "built").items(), *own)["services"]["dashboard"][
        "environment"
    ]
    assert set(own) <= environment.items()
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "TANDEM_TELEMETRY__METRICS"):
        monkeypatch.delenv(name)
    for name, value in environment.items():
        if value:
            monkeypatch.setenv(name, str(value))
    inside = load("local")
    assert inside.telemetry == here.telemetry
    assert (inside.telemetry.otlp_endpoint, inside.telemetry.metrics) == ("http://collector:4318", False)


def test_only_telemetry_that_a_profile_sets_overrides_the_dotenv(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [name for name in variables(load("local"), "built") if "TELEMETRY" in name] == []
    monkeypatch.setenv("TANDEM_TELEMETRY__METRICS_SECONDS", "7")
    passed = {name: value for name, value in variables(load("local"), "built").items() if "TELEMETRY" in name}
    assert passed == {"TANDEM_TELEMETRY__METRICS_SECONDS": "7.0"}


@pytest.mark.parametrize("name", ["dashboard", "cloud-dashboard"])
def test_no_telemetry_is_sent_by_default(name: str) -> None:
    environment = model("built", "gcp" if name.startswith("cloud") else "local")["services"][name]["environment"]
    ours = re.compile("TANDEM_TELEMETRY|OTEL|OPENLINEAGE")
    assert [key for key, value in environment.items() if ours.match(key) and value] == []
