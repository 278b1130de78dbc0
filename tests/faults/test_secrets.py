"""A database that asks for a password: the loop runs, a wrong login is told in words, no secret is found anywhere."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import PyMongoError
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from tandem.platforms.local_services.mongod import find_mongod
from tests.environment import Environment
from tests.faults.conftest import FAULT_STATE, Arenas, environment_of

pytestmark = pytest.mark.on_demand

# Characters that an address, a shell and a JAAS file would each take for something of their own.
SECRET = "planted secret/@:%\"'$x"
PORT = 29850
ADDRESS = f"127.0.0.1:{PORT + 9}"
DATABASE = "ecommerce_mart"


@dataclass(frozen=True)
class Locked:
    """An environment that writes to a database which asks for a password."""

    environment: Environment
    admin: MongoClient[dict[str, Any]]

    def allow(self, *roles: str) -> None:
        """Gives the job's user these roles, and takes all others."""
        granted = [{"role": role, "db": DATABASE} for role in roles]
        self.admin.admin.command("updateUser", "job", roles=granted)


@pytest.fixture
def locked(arenas: Arenas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Locked]:
    """The environment, which does not run yet; its database does."""
    arenas.end()
    key = tmp_path / "key"
    key.write_text("ab" * 32)
    key.chmod(0o600)
    (tmp_path / "data").mkdir()
    command = [find_mongod(), "--replSet", "rs0", "--bind_ip", "127.0.0.1", "--port", ADDRESS.rpartition(":")[2]]
    with ExitStack() as stack:
        mongod = subprocess.Popen(
            [*map(str, command), "--dbpath", str(tmp_path / "data"), "--keyFile", str(key), "--nounixsocket"],
            stdout=subprocess.DEVNULL,
        )
        stack.callback(mongod.wait)
        stack.callback(mongod.kill)
        initiate()
        admin = stack.enter_context(MongoClient(ADDRESS, username="root", password="root", directConnection=True))
        roles = [{"role": "readWrite", "db": DATABASE}]
        admin.admin.command("createUser", "job", pwd=SECRET, roles=roles)
        monkeypatch.setenv("PLANTED", SECRET)
        extra = (
            ("TANDEM_MONGO__URI", f"mongodb://{ADDRESS}/?directConnection=true"),
            ("TANDEM_MONGO__USERNAME", "job"),
            ("TANDEM_MONGO__PASSWORD", "env:PLANTED"),
        )
        base = environment_of("embedded")
        environment = replace(base, home=FAULT_STATE / "locked", first_port=PORT, extra=(*base.extra, *extra))
        stack.enter_context(environment.cleared())
        yield Locked(environment, admin)


@retry(retry=retry_if_exception_type(PyMongoError), wait=wait_fixed(0.3), stop=stop_after_delay(60), reraise=True)
def initiate() -> None:
    """Makes it a replica set with a first user; until there is one, the host itself may do that."""
    with MongoClient[dict[str, Any]](ADDRESS, directConnection=True, serverSelectionTimeoutMS=1000) as client:
        if not client.admin.command("hello").get("setName"):
            client.admin.command("replSetInitiate", {"_id": "rs0", "members": [{"_id": 0, "host": ADDRESS}]})
        client.admin.command("createUser", "root", pwd="root", roles=["root"])


def test_the_loop_runs_and_no_secret_is_found(locked: Locked) -> None:
    environment = locked.environment
    environment.tandem("up", "--wait")
    said = [environment.tandem(*command) for command in (("produce", "--close"), ("verify",), ("reconcile",))]
    said += [environment.tandem(*command) for command in (("status", "--json"), ("config", "show"), ("logs",))]
    texts = {" ".join(each.args[3:]): each.stdout + each.stderr for each in said}
    ui = f"http://127.0.0.1:{environment.first_port + 3}"
    application = json.loads(page(f"{ui}/api/v1/applications"))[0]["id"]
    pages = ("environment/", "jobs/", "stages/", "SQL/", "SQL/execution/?id=0", "StreamingQuery/", "executors/")
    interface = ("environment", "sql?details=true&planDescription=true")
    addresses = [*pages, *(f"api/v1/applications/{application}/{each}" for each in interface)]
    texts |= {address: page(f"{ui}/{address}") for address in addresses}
    shown = f"http://127.0.0.1:{environment.first_port + 5}"
    texts |= {address: page(f"{shown}/{address}") for address in ("", "api/now", "api/search?key=x", "metrics")}
    with urllib.request.urlopen(f"{shown}/api/events", timeout=30) as events:
        texts["api/events"] = "".join(events.readline().decode() for _ in range(8))
    texts |= {f"process {each.pid}": " ".join(each.cmdline()) for each in environment.processes()}
    environment.tandem("down")
    files = [path for path in environment.home.rglob("*") if path.is_file()]
    texts |= {str(path.relative_to(environment.home)): path.read_text(errors="replace") for path in files}
    assert len(files) > 20
    # The whole, and as it is written in an address, in JSON and in a JAAS file.
    forms = {SECRET, "planted%20secret", json.dumps(SECRET)[1:-1], "planted secret"}
    assert [name for name, text in texts.items() if any(form in text for form in forms)] == []


def page(address: str) -> str:
    with urllib.request.urlopen(address, timeout=30) as answer:
        return str(answer.read().decode())


def test_a_wrong_password_ends_the_start_in_words(locked: Locked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANTED", "wrong-" + SECRET)
    done = locked.environment.tandem("up", "--wait", code=3)
    assert "MongoDB refuses the user job" in done.stderr, done.stderr
    assert "planted" not in done.stderr + locked.environment.tandem("logs").stdout


def test_an_absent_password_ends_the_start_in_words(locked: Locked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLANTED")
    done = locked.environment.tandem("up", "--wait", code=3)
    assert "env:PLANTED" in done.stderr, done.stderr


def test_a_revoked_role_stops_the_job_in_words(locked: Locked) -> None:
    environment = locked.environment
    environment.tandem("up", "--wait")
    environment.tandem("produce", "--count", "200", "--close")
    environment.wait("lag 0", environment.caught_up)
    locked.allow("read")
    # The job may give up before all is sent, and then that is said instead of a summary.
    environment.tandem("produce", "--count", "200", "--close", code=None)
    problem = environment.wait("the problem", lambda: environment.status()["problem"])
    assert "is not authorized" in problem
    assert "planted" not in problem + environment.tandem("logs").stdout + os.linesep
    locked.allow("readWrite")
    environment.tandem("submit")
    assert json.loads(environment.tandem("verify", "--json").stdout)["ok"]
