"""`docker compose --profile ui up`: Mongoku shows documents and changes none, and nobody else reads them.

Kafka UI needs a container registry. With built images, a page says so. Marked ``by_name``, because the images need
packages of Debian's and npm's.
"""

from __future__ import annotations

import http.client
import json
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from pymongo import MongoClient

from tandem.settings.load import load
from tests import ROOT, STATE
from tests.compose.conftest import Stack

pytestmark = pytest.mark.by_name
PROJECT, CLOUD = "tandem-tests-ui", "tandem-tests-cloud-ui"
FIRST_PORT = 29_700
KAFKA_UI, MONGO_UI, CLOUD_MONGO = FIRST_PORT + 6, FIRST_PORT + 7, FIRST_PORT + 8
PAGE = (ROOT / "docs" / "guides" / "ui.md").read_text("utf-8")
UP, CLOUD_UP = re.findall(r"^docker compose --profile .*ui up.*$", PAGE, re.MULTILINE)
DOCUMENTS = "/servers/{server}/databases/ecommerce_mart/collections/notes/documents"
TEXT = "a note of this test"
# With characters that an address escapes.
SECRET = "hunter2-9c/1f@:%"
PORTS = {"TANDEM_UI__KAFKA_UI_PORT": str(KAFKA_UI), "TANDEM_UI__MONGO_UI_PORT": str(MONGO_UI)}


def answer(
    port: int, path: str, method: str = "GET", body: str = "", **headers: str
) -> tuple[int, str, http.client.HTTPMessage]:
    """Returns status, text and headers of an answer; ``headers`` replace those of a browser on this machine."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body or None, headers)
        found = connection.getresponse()
        return found.status, found.read().decode(), found.headers
    finally:
        connection.close()


def compose(folder: Path, command: str, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="module")
def stack(client: docker.DockerClient) -> Iterator[Stack]:
    """Kafka, MongoDB, the dashboard and the pages run, and MongoDB has a document."""
    ca = load("local").ca
    extra = (
        *(("TANDEM_PROJECT", PROJECT), ("TANDEM_IMAGES", "built"), ("COMPOSE_PROFILES", "")),
        *PORTS.items(),
        *((("TANDEM_CA", str(ca)),) if ca else ()),
    )
    found = Stack(STATE / "compose-ui", FIRST_PORT, extra, "local")
    local = ("--profile", "local")
    found.tandem("down", "--volumes")
    found.compose(*local, "--profile", "ui", "build", "kafka", "mongo", "setup", "ui", "mongo-ui")
    try:
        found.compose(*local, "run", "--rm", "setup")
        found.compose(*local, "up", "--detach", "--wait", "--no-deps", "dashboard")
        with found.database() as database:
            database["notes"].insert_one({"_id": "order|1", "text": TEXT})
        compose(ROOT, UP, found.variables)
        yield found
    finally:
        found.tandem("down", "--volumes", code=None)


def test_documents_are_shown(stack: Stack) -> None:
    assert answer(MONGO_UI, "/")[0] == 307
    status, text, _ = answer(MONGO_UI, DOCUMENTS.format(server="mongo:27017"))
    assert (status, TEXT in text) == (200, True)
    databases = answer(MONGO_UI, "/servers/mongo:27017/databases")[1]
    assert "ecommerce_mart" in databases
    assert '"config"' not in databases


def test_only_reads_pass(stack: Stack) -> None:
    for port in (KAFKA_UI, MONGO_UI):
        for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            assert answer(port, "/api/clusters/local/topics/a", method)[0] == 403, method
        assert answer(port, "/", "HEAD")[0] in (200, 307)


def test_other_sites_read_nothing(stack: Stack) -> None:
    for port in (KAFKA_UI, MONGO_UI):
        for host in ("evil.example", f"evil.example:{port}", "mongo-ui:3100", "127.0.0.1.evil.example"):
            status, text, _ = answer(port, "/servers", Host=host)
            assert (status, TEXT in text) == (421, False)
        for host in (f"127.0.0.1:{port}", f"localhost:{port}"):
            assert answer(port, "/", Host=host)[0] in (200, 307)
        headers = answer(port, "/", Origin="http://evil.example")[2]
        assert not [name for name in headers if name.lower().startswith("access-control")]


def test_without_a_registry_a_page_says_why_there_is_no_kafka_ui(stack: Stack) -> None:
    said = "Kafka UI does not run: it comes only from a container registry"
    assert said in answer(KAFKA_UI, "/")[1]
    assert said in stack.compose("--profile", "ui", "logs", "kafka-ui").stdout


def test_the_dashboard_and_status_name_the_pages_that_run(stack: Stack) -> None:
    expected = {"Kafka UI": f"http://127.0.0.1:{KAFKA_UI}", "MongoDB UI": f"http://127.0.0.1:{MONGO_UI}"}

    def linked() -> dict[str, str]:
        with urllib.request.urlopen(f"http://127.0.0.1:{FIRST_PORT + 5}/api/now", timeout=10) as page:
            return {each["name"]: each["url"] for each in json.load(page)["other_pages"]}

    stack.wait("the links", lambda: linked() == expected)
    assert stack.status()["pages"] == {"kafka_ui": expected["Kafka UI"], "mongo_ui": expected["MongoDB UI"]}


def test_only_this_machine_reaches_the_pages_and_they_have_no_rights(stack: Stack) -> None:
    found = stack.containers.of(PROJECT)
    for name in ("ui", "kafka-ui", "mongo-ui"):
        attributes = found[name].attrs
        bound = [each for ports in attributes["NetworkSettings"]["Ports"].values() for each in ports or ()]
        assert {each["HostIp"] for each in bound} == ({"127.0.0.1"} if name == "ui" else set()), name
        assert (attributes["HostConfig"]["CapDrop"], attributes["HostConfig"]["ReadonlyRootfs"]) == (["ALL"], True)
        assert attributes["Config"]["User"] not in ("", "0", "root")


@pytest.fixture
def cloud(stack: Stack, tmp_path: Path, client: docker.DockerClient) -> Iterator[Path]:
    """A checkout with ``.env.gcp`` of a MongoDB that asks for a password; the pages of the other one are stopped."""
    for name in ("compose", "pipelines", "src"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("docker-compose.yml", ".env", "tandem.toml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "password").write_text(SECRET + "\n")
    (tmp_path / ".env.gcp").write_text(
        "TANDEM_KAFKA__BOOTSTRAP=cloud-kafka:9092\nTANDEM_KAFKA__USERNAME=key\n"
        "TANDEM_KAFKA__PASSWORD=file:~/.secrets/confluent\nTANDEM_MONGO__PASSWORD=file:~/.secrets/atlas\n"
        "TANDEM_MONGO__URI=mongodb://cloud-mongo:27017/?authSource=admin\nTANDEM_MONGO__USERNAME=reader\n"
    )
    network = client.networks.create(f"{CLOUD}-mongo")
    (tmp_path / "docker-compose.override.yml").write_text(
        f"networks: {{default: {{name: {network.name}, external: true}}}}\n"
    )
    stack.compose("--profile", "ui", "stop", "ui")
    # The first program creates the user. Only the second one asks for its password.
    program = "mongod --dbpath /data/db --bind_ip_all --quiet --fork --logpath /tmp/log"
    again = "until [ -e /tmp/created ]; do sleep 0.2; done; mongod --dbpath /data/db --shutdown"
    container = client.containers.create(
        "tandem/mongo:0.1.0",
        ["bash", "-c", f"{program} && {again} && exec {program.partition(' --fork')[0]} --auth"],
        ports={"27017/tcp": ("127.0.0.1", CLOUD_MONGO)},
    )
    try:
        network.connect(container, aliases=["cloud-mongo"])
        container.start()
        with MongoClient[dict[str, object]](f"mongodb://127.0.0.1:{CLOUD_MONGO}/?directConnection=true") as mongo:
            mongo["ecommerce_mart"]["notes"].insert_one({"_id": "order|1", "text": TEXT})
            roles = [{"role": "readAnyDatabase", "db": "admin"}]
            mongo["admin"].command("createUser", "reader", pwd=SECRET, roles=roles)
        container.exec_run(["touch", "/tmp/created"])
        yield tmp_path
    finally:
        compose(tmp_path, "docker compose --profile gcp-ui down --volumes", of_cloud(tmp_path, stack))
        container.remove(force=True, v=True)
        network.remove()


def of_cloud(folder: Path, stack: Stack) -> dict[str, str]:
    files = {f"TANDEM_{each}_PASSWORD_FILE": str(folder / "password") for each in ("KAFKA", "MONGO")}
    own = {"TANDEM_PROJECT": CLOUD, "TANDEM_IMAGES": "built", "COMPOSE_PROFILES": ""}
    return {**stack.variables, **own, **PORTS, **files}


def test_documents_of_the_cloud_are_shown_and_the_password_is_not(stack: Stack, cloud: Path) -> None:
    variables = of_cloud(cloud, stack)
    compose(cloud, CLOUD_UP, variables)
    page = DOCUMENTS.format(server="cloud-mongo:27017")
    stack.wait("the document", lambda: TEXT in answer(MONGO_UI, page)[1])
    shown = "".join(answer(MONGO_UI, path)[1] for path in ("/servers", "/servers/cloud-mongo:27017/databases", page))
    found = stack.containers.of(CLOUD)
    assert sorted(found) == ["cloud-kafka-ui", "cloud-mongo-ui", "cloud-ui", "cloud-ui-setup"]
    inspected = json.dumps([each.attrs for each in found.values()])
    logs = compose(cloud, "docker compose --profile gcp-ui logs", variables).stdout
    for text in (shown, inspected, logs):
        assert "hunter2" not in text
    # Where the others would show it, the program has it.
    code, output = found["cloud-mongo-ui"].exec_run(["cat", "/tmp/servers"])
    assert (code, b"hunter2-9c%2F1f%40%3A%25@cloud-mongo" in output) == (0, True)
