"""Profiles of the user's own: what they inherit, what keeps them apart, and what is refused."""

from __future__ import annotations

import ast
import json
import os
import re
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tandem.errors import EnvironmentNotReadyError, UsageError
from tandem.platforms import default_profile
from tandem.platforms.compose.cli import project_name, variables
from tandem.platforms.local_services.layout import Layout
from tandem.platforms.local_services.prepare import ports
from tandem.platforms.ports import check_ports
from tandem.settings.load import load, read_settings
from tandem.settings.profiles import profiles
from tandem.supervision.process import identify, write_identity
from tandem_rehearsal.supervisor import ports as rehearsal_ports
from tests import ROOT

PACKAGED = ("local", "gcp", "rehearsal", "embedded")
SHOP = """
[profile.shop]
like = "gcp"
[profile.shop.gcp]
project = "some-project"
region = "europe-west3"
bucket = "some-bucket"
[profile.staging]
like = "shop"
description = "before it goes live"
[profile.staging.gcp]
workers = 3
[profile.production]
like = "shop"
protected = true
"""


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("TANDEM_")]:
        monkeypatch.delenv(name)


def define(text: str) -> None:
    Path("tandem.toml").write_text(text, "utf-8")


def tandem(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Runs a command in the current folder, without a login and without a terminal."""
    return subprocess.run(
        (sys.executable, "-m", "tandem", *arguments),
        env={"HOME": "/nonexistent", "PATH": os.environ["PATH"], "NO_GCE_CHECK": "true", **more},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_profile_has_the_values_of_those_that_it_is_like() -> None:
    define(SHOP)
    loaded = read_settings("staging")
    settings = loaded.settings
    assert (settings.profile, settings.backend, settings.description) == ("staging", "dataproc", "before it goes live")
    assert (settings.gcp.project, settings.gcp.workers) == ("some-project", 3)
    assert settings.kafka.security == "SASL_SSL"
    assert [
        loaded.origins[name] for name in ("gcp.workers", "gcp.project", "kafka.security", "job.lateness_seconds")
    ] == [
        "tandem.toml [profile.staging]",
        "tandem.toml [profile.shop]",
        "profiles.toml [profile.gcp]",
        "profiles.toml [base]",
    ]
    assert read_settings("production").settings.description == "like shop"


def test_higher_places_win_over_a_users_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    define(SHOP)
    Path(".env.staging").write_text("TANDEM_GCP__WORKERS=4\nTANDEM_GCP__PROJECT=other-project\n")
    Path(".env.gcp").write_text("TANDEM_GCP__WORKERS=9\n")
    monkeypatch.setenv("TANDEM_GCP__PROJECT", "third-project")
    monkeypatch.setenv("TANDEM_PROFILE", "staging")
    settings = read_settings().settings
    assert (settings.profile, settings.gcp.workers, settings.gcp.project) == ("staging", 4, "third-project")


def test_a_missing_setting_of_a_users_profile_is_reported_with_its_file() -> None:
    define(SHOP)
    with pytest.raises(UsageError, match=r"\.env\.staging \(not there\), tandem\.toml, profiles\.toml"):
        load("staging")
    with pytest.raises(UsageError, match=r"\.env\.gcp \(not there\), profiles\.toml"):
        load("gcp")


def test_environments_in_one_project_share_no_name() -> None:
    define(SHOP + '[profile.shop.spark]\n"spark.executor.instances" = "3"\n')
    found = {name: read_settings(name).settings for name in ("gcp", "shop", "staging", "production")}
    assert [each.environment for each in found.values()] == [
        "tandem",
        "tandem-shop",
        "tandem-staging",
        "tandem-production",
    ]
    assert [each.gcp.cluster for each in found.values()] == [each.environment for each in found.values()]
    folder = Path("/checkout")
    assert len({project_name(folder, each) for each in found.values()}) == 4


def test_what_keeps_environments_apart_is_not_inherited() -> None:
    define(
        '[profile.one]\nlike = "local"\nenvironment = "shop-one"\nproject = "shop"\n'
        '[profile.two]\nlike = "one"\n[profile.two.gcp]\nmachine = "n2-standard-8"\n'
    )
    one, two = load("one"), load("two")
    assert (one.environment, one.project) == ("shop-one", "shop")
    assert (two.environment, two.project) == ("tandem-two", None)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ('[profile.s]\nlike = "gpc"', "the profile s is like 'gpc', which does not exist", "did you mean gcp?"),
        ('[profile.s]\nlike = 5', "the profile s is like 5, which does not exist", "choose one of: local, gcp"),
        ("[profile.s]\nprotected = true", "the profile s has no like", 'add like = "NAME"'),
        (
            '[profile.a]\nlike = "b"\n[profile.b]\nlike = "c"\n[profile.c]\nlike = "b"',
            "b is like c is like b",
            "let one of them be like a profile that comes with Tandem",
        ),
        ('[profile.a]\nlike = "a"', "a is like a", "let one of them"),
        ('[profile.s]\nlike = "gcp"\nprotectd = true', "s has protectd, which is no", "did you mean protected?"),
        (
            '[profile.s]\nlike = "gcp"\n[profile.s.kafka]\nbootstrp = "x:1"',
            "s has kafka.bootstrp, which is not a setting",
            "did you mean kafka.bootstrap?",
        ),
        ('[profile.s]\nlike = "gcp"\nlocation = "x"', "s has location, which is not a setting", ""),
        ('[profile.s]\nlike = "gcp"\nkafka = 5', "kafka of the profile s must be a table", "write [profile.s.kafka]"),
        ('[profile.s]\nlike = "gcp"\nspark = 5', "spark of the profile s must be a table", "write [profile.s.spark]"),
        ('[profile.s]\nlike = "gcp"\nbackend = "embedded"', "the profile s sets backend", "change like in [profile.s]"),
        ('[profile.s]\nlike = "gcp"\nprotected = "no"', "protected of the profile s is not true", "true or false"),
        ('[profile.s]\nlike = "gcp"\nport_offset = -1', "port_offset of the profile s is -1", "from 1 to 30000"),
        ('[profile.s]\nlike = "gcp"\nport_offset = true', "port_offset of the profile s is True", "from 1 to 30000"),
        ('[profile.gcp]\nlike = "local"', "the profile gcp comes with Tandem", "set the values in .env.gcp"),
        ('[profile."My Shop"]\nlike = "gcp"', "'My Shop' cannot be a profile's name", "lower-case letters"),
        ('[profile.sh_op]\nlike = "gcp"', "'sh_op' cannot be a profile's name", "lower-case letters"),
        ('[profile.s-]\nlike = "gcp"', "'s-' cannot be a profile's name", "not ending with a dash"),
        ('[profile.bench]\nlike = "embedded"', "'bench' cannot be a profile's name", "not bench or containers or"),
        (f'[profile.{"s" * 31}]\nlike = "gcp"', "cannot be a profile's name", "at most 30"),
        ('[profiles.s]\nlike = "gcp"', "has an unknown entry profiles", "did you mean [profile.NAME]?"),
        ("profile = 5", "profile must be a table of profiles", "write [profile.NAME]"),
        ("[profile.s", "tandem.toml: ", "it is a TOML file of profiles, in UTF-8"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_reported_with_every_profile(text: str, message: str, hint: str) -> None:
    define(text)
    for used in ("embedded", "s"):
        with pytest.raises(UsageError) as refused:
            load(used)
        assert str(refused.value).startswith(str(Path.cwd() / "tandem.toml"))
        assert message in str(refused.value)
        assert hint in refused.value.hint


def test_every_allowed_name_fits_what_is_named_after_it() -> None:
    longest = "s" * 30
    define(f'[profile.{longest}]\nlike = "gcp"\n[profile.a-1]\nlike = "local"\n')
    for name in (longest, "a-1"):
        settings = read_settings(name).settings
        # Google's labels and clusters, and Compose's projects.
        assert re.fullmatch(r"[a-z][a-z0-9_-]{0,62}", settings.environment)
        assert re.fullmatch(r"[a-z]([a-z0-9-]{0,49}[a-z0-9])?", settings.gcp.cluster)
        assert re.fullmatch(r"[a-z0-9][a-z0-9_-]*", project_name(Path("/x"), settings))


def test_a_file_that_cannot_be_read_is_named() -> None:
    Path("tandem.toml").mkdir()
    with pytest.raises(UsageError, match=r"tandem\.toml cannot be read: Is a directory"):
        load("embedded")


def test_a_secret_in_the_file_is_refused_and_not_repeated() -> None:
    define(SHOP + '[profile.shop.kafka]\npassword = "hunter2"\n')
    with pytest.raises(UsageError, match=r"kafka\.password of profile staging") as refused:
        read_settings("staging")
    assert "hunter2" not in f"{refused.value} {refused.value.hint}"


def test_a_profile_of_another_folder_is_reported_with_the_missing_file() -> None:
    with pytest.raises(UsageError, match="there is no profile 'staging'") as refused:
        load("staging")
    assert f"there is no {Path.cwd() / 'tandem.toml'}" in refused.value.hint


def test_a_profile_that_is_like_local_processes_has_state_and_ports_of_its_own(tmp_path: Path) -> None:
    define(
        '[profile.second]\nlike = "embedded"\nport_offset = 1000\n[profile.third]\nlike = "second"\nport_offset = 7\n'
    )
    embedded, second, third = load("embedded"), load("second"), load("third")
    assert second.home == tmp_path / ".tandem" / "second"
    assert ports(second) == {name: port + 1000 for name, port in ports(embedded).items()}
    assert ports(third) == {name: port + 1007 for name, port in ports(embedded).items()}
    assert second.kafka.bootstrap == f"127.0.0.1:{second.kafka.port}"
    define('[profile.second]\nlike = "rehearsal"\nport_offset = 1000\n')
    first = rehearsal_ports(load("rehearsal"))
    assert rehearsal_ports(load("second")) == {name: port + 1000 for name, port in first.items()}


def test_a_port_that_is_set_is_not_moved() -> None:
    define('[profile.second]\nlike = "embedded"\nport_offset = 1000\n[profile.second.kafka]\nport = 5000\n')
    settings = load("second")
    assert (settings.kafka.port, settings.mongo.port) == (5000, 28117)


def test_two_environments_on_the_same_ports_are_refused(free_port: int) -> None:
    define(f'[profile.second]\nlike = "embedded"\n[profile.second.kafka]\nport = {free_port}\n')
    busy = pytest.raises(EnvironmentNotReadyError, match=f"port {free_port} is busy: held by process")
    with socket.create_server(("127.0.0.1", free_port)), busy:
        check_ports(ports(load("second")))
    check_ports({"TANDEM_KAFKA__PORT": free_port})


def test_a_users_profile_that_runs_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    define('[profile.first]\nlike = "embedded"\n[profile.second]\nlike = "first"\n[profile.cloud]\nlike = "gcp"\n')
    # The settings of a cloud, or of a profile that is not used, are nobody's business here.
    for other in ("cloud", "first"):
        Path(f".env.{other}").write_text("no assignment")
    layout = Layout(tmp_path / ".tandem" / "second")
    layout.create()
    write_identity(layout.pid("supervisor"), identify(os.getpid()))
    assert default_profile()[0] == "second"


def test_containers_of_a_users_profile_are_found_by_their_label(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    define('[profile.second]\nlike = "local"\n')
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    rows = [
        ("of-another-folder", ROOT, "second", "/elsewhere/tandem.toml"),
        ("tandem-second-1", ROOT, "second", tmp_path / "tandem.toml"),
        ("elsewhere", "/another/checkout", "local", ""),
    ]
    lines = "\n".join("\t".join(map(str, row)) for row in rows)
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{lines}\nEND\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/bin:/usr/bin")
    monkeypatch.setenv("TANDEM_STATE_DIR", str(tmp_path / "state"))
    assert default_profile() == ("second", "its containers run here, in the Compose project tandem-second-1")


def test_containers_get_the_profile_and_its_file(tmp_path: Path) -> None:
    assert "TANDEM_PROFILES_MOUNT" not in variables(load("local"), None)
    define('[profile.second]\nlike = "local"\nport_offset = 1000\n')
    given = variables(load("second"), None)
    assert given["TANDEM_LOCAL_PROFILE"] == "second"
    assert given["TANDEM_PROFILES_MOUNT"] == str(tmp_path / "tandem.toml")
    assert given["TANDEM_KAFKA__PORT"] == "20092"


def test_the_list_says_where_each_profile_is_defined(tmp_path: Path) -> None:
    define(SHOP)
    file = str(tmp_path / "tandem.toml")
    shown = [line.split("\t") for line in tandem("profile", "list").stdout.splitlines()]
    assert [(name, origin) for name, _, origin in shown] == [
        *((name, "packaged") for name in PACKAGED),
        *((name, file) for name in ("shop", "staging", "production")),
    ]
    assert shown[-1][1] == "like shop (protected)"
    listed = {each["name"]: each for each in json.loads(tandem("profile", "list", "--json").stdout)}
    assert listed["gcp"]["origin"] == "packaged"
    assert listed["production"] == {
        "name": "production",
        "like": "shop",
        "origin": file,
        "backend": "dataproc",
        "description": "like shop",
        "protected": True,
    }


@pytest.mark.parametrize("serverless", ["false", "true"])
def test_the_plan_of_a_users_profile_is_complete(serverless: str) -> None:
    define(SHOP)
    done = tandem("--profile", "staging", "deploy", "--plan", "--json", TANDEM_GCP__SERVERLESS=serverless)
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    gcp = json.loads(tandem("--profile", "gcp", "deploy", "--plan", "--json", TANDEM_GCP__SERVERLESS=serverless).stdout)
    assert [call["method"] for call in plan["calls"]] == [call["method"] for call in gcp["calls"]]
    assert len(plan["costs"]) == len(gcp["costs"]) > 2
    objects = [call["about"]["name"] for call in plan["calls"] if "ifGenerationMatch" in call["about"]]
    assert all(name.startswith("tandem-staging/orders_payments/") for name in objects)
    what = {"true": "batch", "false": "job"}[serverless]
    (submitted,) = [call["about"][what] for call in plan["calls"] if call["method"] in ("SubmitJob", "CreateBatch")]
    assert submitted["labels"]["tandem-environment"].startswith("tandem-staging-")
    assert "gs://some-bucket/tandem-staging/orders_payments/" in json.dumps(submitted)
    if serverless == "false":
        (cluster,) = [call["about"]["cluster"] for call in plan["calls"] if call["method"] == "CreateCluster"]
        assert cluster["clusterName"] == submitted["placement"]["clusterName"] == "tandem-staging"
        assert cluster["labels"]["tandem-environment"] == submitted["labels"]["tandem-environment"]
    own = ("gcp.project", "gcp.region", "gcp.bucket")
    assert plan["not_set"] == [name for name in gcp["not_set"] if name not in own]


def test_missing_settings_are_reported_with_both_places() -> None:
    define(SHOP)
    said = tandem("--profile", "staging", "deploy", "--plan").stdout
    assert "to deploy, set these in .env.staging or [profile.staging] of tandem.toml: kafka.bootstrap," in said


def test_the_profiles_of_the_documentation_can_be_used() -> None:
    first, _, second = re.findall(
        r"```toml\n(.*?)```", (ROOT / "docs" / "guides" / "profiles.md").read_text("utf-8"), re.DOTALL
    )
    define(first)
    assert list(tomllib.loads(first)["profile"]) == ["shop", "staging", "production"]
    assert read_settings("shop").missing
    for name in ("staging", "production"):
        loaded = read_settings(name)
        assert loaded.missing == ()
        assert loaded.settings.protected == (name == "production")
    define(second)
    settings = load("second")
    assert (settings.kafka.port, settings.ui.dashboard_port) == (20092, 9080)


def test_the_checkouts_own_file_defines_no_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert tuple(profiles()) == PACKAGED


def comparisons_by_name(source: str) -> list[int]:
    """Returns the lines that compare something with a packaged profile's name, other than a backend or an extra."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Compare):
            continue
        sides = [node.left, *node.comparators]
        inner = [each for side in sides for each in (side, *getattr(side, "elts", ()))]
        names = {each.value for each in inner if isinstance(each, ast.Constant)}
        about = {each.attr for each in inner if isinstance(each, ast.Attribute)}
        about |= {each.id for each in inner if isinstance(each, ast.Name)}
        if names & set(PACKAGED) and not about & {"backend", "extra"}:
            found.append(node.lineno)
    return found


def test_no_code_depends_on_a_profiles_name() -> None:
    assert comparisons_by_name('a = settings.profile == "gcp"') == [1]
    assert comparisons_by_name('if name in ("local", "embedded"): pass') == [1]
    assert comparisons_by_name('b = settings.backend == "embedded"') == []
    found = {
        str(file.relative_to(ROOT)): lines
        for file in (ROOT / "src").rglob("*.py")
        if (lines := comparisons_by_name(file.read_text("utf-8")))
    }
    assert found == {}
