"""infra/ creates what `tandem doctor` checks and what the page about Google Cloud describes."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tandem.platforms.dataproc import requirements
from tandem.platforms.dataproc.bucket import Bucket
from tandem.platforms.dataproc.requirements import DEPLOYER_ROLES, JOB_ROLES, On, Role
from tandem.platforms.provision import streams_of, topics_of
from tandem.settings.load import read_settings
from tandem.settings.sources import fields
from tests import ROOT
from tests.infrastructure import read, references, resources, texts

INFRA = ROOT / "infra"
PAGE = (ROOT / "docs" / "guides" / "gcp.md").read_text("utf-8")
MODULES = sorted(folder.name for folder in (INFRA / "modules").iterdir())
# Where a role is granted, by the resource that grants it.
GRANTS = {
    "google_project_iam_member": On.PROJECT,
    "google_storage_bucket_iam_member": On.BUCKET,
    "google_secret_manager_secret_iam_member": On.SECRETS,
    "google_service_account_iam_member": On.ACCOUNT,
}
Roles = frozenset[tuple[On, str]]


@dataclass(frozen=True)
class Needs:
    """What a deployment needs, by one of the three that say it."""

    apis: frozenset[str]
    federation_apis: frozenset[str]
    job_roles: Roles
    deployer_roles: Roles
    protocols: frozenset[str]
    nat_ports: int
    topic_rights: frozenset[str]
    database_role: str


def by_code() -> Needs:
    def roles(known: tuple[Role, ...]) -> Roles:
        return frozenset((role.on, role.name) for role in known)

    return Needs(
        apis=frozenset(requirements.APIS),
        federation_apis=frozenset(requirements.FEDERATION_APIS),
        job_roles=roles(JOB_ROLES),
        deployer_roles=roles(DEPLOYER_ROLES),
        protocols=frozenset(requirements.PROTOCOLS),
        nat_ports=requirements.NAT_PORTS,
        topic_rights=frozenset(requirements.TOPIC_RIGHTS),
        database_role=requirements.DATABASE_ROLE,
    )


def by_infrastructure(folder: Path) -> Needs:
    google, deployer, confluent, atlas = (
        read(folder / "modules" / name) for name in ("google", "deployer", "confluent", "atlas")
    )
    (apis,) = resources(google, "google_project_service")
    assert references(apis["for_each"], "local") == {"apis", "federation_apis", "more_apis"}
    (firewall,) = resources(google, "google_compute_firewall")
    assert (firewall["direction"], firewall["source_ranges"]) == ("INGRESS", ["${var.range}"])
    (nat,) = resources(google, "google_compute_router_nat")
    (right,) = resources(confluent, "confluent_kafka_acl")
    assert references(right["for_each"], "local") == {"rights"}
    (user,) = resources(atlas, "mongodbatlas_database_user")
    (role,) = (each["roles"]["content"][0] for each in user["dynamic"])
    return Needs(
        apis=frozenset(local(google, "apis")),
        federation_apis=frozenset(local(google, "federation_apis")),
        job_roles=granted(google, "job_roles"),
        deployer_roles=granted(deployer, "deployer_roles"),
        protocols=frozenset(allowed["protocol"] for allowed in firewall["allow"]),
        nat_ports=nat["min_ports_per_vm"],
        topic_rights=frozenset(local(confluent, "rights")),
        database_role=role["role_name"],
    )


def local(module: dict[str, Any], name: str) -> Any:
    return module["locals"][name]


def granted(module: dict[str, Any], name: str) -> Roles:
    """Returns the roles that a module's resources grant, from a table by the kind of resource."""
    found = set()
    for kind, on in GRANTS.items():
        for grant in resources(module, kind):
            assert set(re.findall(rf'{name}(?:\.|\[")([a-z ]+)', grant["for_each"])) == {on.value}
            found |= {(on, role) for role in local(module, name)[on.value]}
    assert {on.value for on, _ in found} == set(local(module, name))
    return frozenset(found)


def by_page(text: str) -> Needs:
    def names(pattern: str) -> frozenset[str]:
        (line,) = re.findall(pattern, text)
        return frozenset(re.findall(r"[a-z]+(?=\.googleapis\.com)", line))

    (nat,) = re.findall(r"--min-ports-per-vm=(\d+)", text)
    (protocols,) = re.findall(r"firewall-rules create tandem .*--allow=(\S+)", text)
    (rights,) = re.findall(r"`orders_payments_dead_letter_v1`: ([^`]+)`", text)
    (role,) = re.findall(r"`(\w+)` on `ecommerce_mart`", text)
    rows = re.findall(r"^\| ([^|]*)\| [^|]*?\(`([a-zA-Z.]+)`\)[^|]*\| ([^|]+) \|$", text, re.MULTILINE)
    roles: dict[bool, set[tuple[On, str]]] = {True: set(), False: set()}
    whose = True
    for who, name, where in rows:
        whose = "tandem-job" in who if who.strip() else whose
        roles[whose].add((place(where), name))
    return Needs(
        apis=names(r"gcloud services enable (.+)"),
        federation_apis=names(r"The last two also need the API (.+)"),
        job_roles=frozenset(roles[True]),
        deployer_roles=frozenset(roles[False]),
        protocols=frozenset(protocols.split(",")),
        nat_ports=int(nat),
        topic_rights=frozenset(re.findall("[A-Z_]{2,}", rights)),
        database_role=role,
    )


def place(where: str) -> On:
    words = {"the project": On.PROJECT, "the bucket": On.BUCKET, "each of": On.SECRETS, "`tandem-job`": On.ACCOUNT}
    return next(on for word, on in words.items() if where.startswith(word))


def test_code_page_and_infrastructure_need_the_same() -> None:
    assert by_infrastructure(INFRA) == by_code() == by_page(PAGE)


@pytest.mark.parametrize(
    ("file", "text", "other"),
    [
        ("google/apis.tf", '    "dataprocrm",\n', ""),
        ("google/apis.tf", '["iamcredentials", "sts"]', '["sts"]'),
        ("google/job_account.tf", '"dataproc.worker"', '"dataproc.admin"'),
        ("deployer/main.tf", '"storage.legacyBucketReader"', '"storage.admin"'),
        ("google/network.tf", 'protocol = "udp"', 'protocol = "esp"'),
        ("google/network.tf", "min_ports_per_vm = 1024", "min_ports_per_vm = 64"),
        ("confluent/main.tf", '"WRITE", ', ""),
        ("atlas/main.tf", '"readWrite"', '"read"'),
    ],
)
def test_a_difference_in_the_infrastructure_is_found(file: str, text: str, other: str, tmp_path: Path) -> None:
    changed = shutil.copytree(INFRA, tmp_path / "infra") / "modules" / file
    before = changed.read_text("utf-8")
    assert text in before
    changed.write_text(before.replace(text, other), "utf-8")
    assert by_infrastructure(tmp_path / "infra") != by_code()


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("dataprocrm.googleapis.com ", ""),
        ("(`dataproc.worker`)", "(`dataproc.admin`)"),
        ("(`storage.legacyBucketReader`)", "(`storage.admin`)"),
        ("--allow=tcp,udp,icmp", "--allow=tcp"),
        ("DESCRIBE_CONFIGS, ", ""),
    ],
)
def test_a_difference_in_the_page_is_found(text: str, other: str) -> None:
    assert text in PAGE
    assert by_page(PAGE.replace(text, other)) != by_code()


def test_the_pages_commands_grant_the_roles_of_its_table() -> None:
    named = {name for _, name in by_page(PAGE).job_roles | by_page(PAGE).deployer_roles}
    assert set(re.findall(r"--role=roles/(\S+)", PAGE)) == named


def test_the_bucket_is_as_doctor_wants_it() -> None:
    (bucket,) = resources(read(INFRA / "modules" / "google"), "google_storage_bucket")
    # As Google's client reads it.
    names = {"matches_prefix": "matchesPrefix", "matches_suffix": "matchesSuffix"}
    conditions = [
        {names.get(name, name): value for name, value in rule["condition"][0].items()}
        for rule in bucket["lifecycle_rule"]
    ]

    found = SimpleNamespace(
        lifecycle_rules=[{"action": {"type": "Delete"}, "condition": each} for each in conditions],
        versioning_enabled="versioning" in bucket,
        soft_delete_policy=SimpleNamespace(**bucket["soft_delete_policy"][0]),
    )

    class Client:
        def get_bucket(self, *_: object, **__: object) -> SimpleNamespace:
            return found

    policy = Bucket(read_settings("gcp").shown(), Client()).policy()  # type: ignore[arg-type]
    assert policy is not None
    assert (policy.soft_delete_s, policy.versioned) == (0, False)
    assert (policy.removes_output, policy.removes_checkpoint) == (True, False)


def test_kafka_costs_nothing_by_the_hour_unless_asked_for() -> None:
    (cluster,) = resources(read(INFRA / "modules" / "confluent"), "confluent_kafka_cluster")
    kinds = {kind: block["for_each"] for each in cluster["dynamic"] for kind, block in each.items()}
    assert set(kinds) == {"basic", "standard"}
    assert all(f'var.type == "{kind}"' in condition for kind, condition in kinds.items())
    assert "basic" not in cluster
    assert "standard" not in cluster
    assert read(INFRA)["variable"]["kafka_type"]["default"] == "basic"


def test_the_subnetwork_reaches_google() -> None:
    (subnetwork,) = resources(read(INFRA / "modules" / "google"), "google_compute_subnetwork")
    assert subnetwork["private_ip_google_access"] is True


def test_topics_are_those_that_deploy_would_create() -> None:
    settings = read_settings("gcp").shown()
    wanted = topics_of(settings.kafka, *streams_of(settings.location))
    found = read(INFRA)["variable"]["topics"]["default"]
    assert found == {
        name: {"partitions": options["num_partitions"], "config": options["configs"]}
        for name, options in wanted.items()
    }
    assert read(INFRA)["variable"]["databases"]["default"] == [settings.mongo.database]


def test_the_output_has_only_settings() -> None:
    output = read(INFRA)["output"]["tandem_profile"]["value"]
    known = {path for path, _ in fields()}
    found = {(section, key) for section, values in output["settings"].items() for key in values}
    assert found <= known
    # A profile's value would override that of each pipeline's settings.toml.
    assert ("mongo", "database") not in found
    needed = {tuple(name.split(".")) for name in read_settings("gcp").settings.needed_to_deploy}
    # What `tandem profile import` adds: the passwords of this machine.
    assert needed - found == {("kafka", "password"), ("mongo", "password")}


def test_no_output_shows_a_secret_by_accident() -> None:
    outputs = read(INFRA)["output"]
    secret = {"kafka_password", "mongo_password"}
    assert {name for name, output in outputs.items() if output.get("sensitive")} == secret
    shown = " ".join(text for name in set(outputs) - secret for text in texts(outputs[name]))
    assert "api_secret" not in shown
    assert "atlas.password" not in shown


def test_every_provider_has_a_version() -> None:
    (versions,) = read(INFRA)["terraform"]["required_providers"]
    assert all(provider["version"].startswith("~> ") for provider in versions.values())
    for name in MODULES:
        (used,) = read(INFRA / "modules" / name)["terraform"]["required_providers"]
        assert {key: value["source"] for key, value in used.items()}.items() <= {
            key: value["source"] for key, value in versions.items()
        }.items()


def test_the_example_sets_what_has_no_default() -> None:
    variables = read(INFRA)["variable"]
    example = (INFRA / "terraform.tfvars.example").read_text("utf-8")
    set_there = set(re.findall(r"^(?:# )?(\w+) +=", example, re.MULTILINE))
    assert {name for name, each in variables.items() if "default" not in each} <= set_there <= set(variables)


def undefined(folder: Path) -> Iterator[str]:
    """Yields what a module names and does not define, or defines and does not use."""
    module = read(folder)
    variables, used = set(module.get("variable", {})), references(module, "var")
    yield from (f"var.{name}" for name in variables ^ used)
    yield from (f"local.{name}" for name in set(module.get("locals", {})) ^ references(module, "local"))
    for kind in {
        kind
        for text in texts(module)
        for kind in re.findall(r"(?<![\w.])((?:google|confluent|mongodbatlas|random)_[a-z_]+)\.[a-z]", text)
    }:
        known = {**module.get("resource", {}), **module.get("data", {})}.get(kind, {})
        yield from (f"{kind}.{name}" for name in references(module, kind) - set(known))
    for name, call in module.get("module", {}).items():
        called = read(folder / call["source"])
        given = set(call) - {"source", "count", "for_each", "depends_on"}
        required = {each for each, value in called["variable"].items() if "default" not in value}
        yield from (f"{name}: {each}" for each in (required - given) | (given - set(called["variable"])))
        taken = {output for text in texts(module) for output in re.findall(rf"module\.{name}(?:\[0\])?\.(\w+)", text)}
        yield from (f"module.{name}.{each}" for each in taken - set(called.get("output", {})))
    yield from (f"module.{name}" for name in references(module, "module") - set(module.get("module", {})))


@pytest.mark.parametrize("folder", [INFRA, *(INFRA / "modules" / name for name in MODULES)], ids=lambda each: each.name)
def test_modules_name_only_what_exists(folder: Path) -> None:
    assert list(undefined(folder)) == []


@pytest.mark.parametrize(
    ("text", "other", "problem"),
    [
        ("module.google.nat_address", "module.google.nat_adress", "module.google.nat_adress"),
        ("  region  = var.region\n  bucket", "  bucket", "google: region"),
        ("var.databases", "var.data", "var.data"),
        ("module.confluent.api_secret", "module.kafka.api_secret", "module.kafka"),
    ],
)
def test_a_wrong_name_is_found(text: str, other: str, problem: str, tmp_path: Path) -> None:
    folder = shutil.copytree(INFRA, tmp_path / "infra")
    main = (folder / "main.tf").read_text("utf-8")
    assert text in main
    (folder / "main.tf").write_text(main.replace(text, other), "utf-8")
    assert problem in list(undefined(folder))


def test_each_api_that_the_doctor_asks_is_listed() -> None:
    folder = ROOT / "src" / "tandem" / "platforms" / "dataproc"
    source = "".join((folder / name).read_text("utf-8") for name in ("google_project.py", "network.py"))
    asked = set(re.findall(r'\.(?:get|items)\(\s*(?:"[^"]+"|_[A-Z]+), "([a-z]+)"', source))
    assert len(asked) > 2
    assert asked <= set(requirements.APIS)
