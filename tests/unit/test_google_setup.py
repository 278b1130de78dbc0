"""What a project lacks is named before a deployment: APIs, roles, network, secrets, and every kind of login."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from google.api_core.exceptions import Forbidden, InvalidArgument
from google.auth import transport

from tandem.errors import EnvironmentNotReadyError, TandemError
from tandem.platforms.dataproc.calls import call
from tandem.platforms.dataproc.clients import Clients
from tandem.platforms.dataproc.deploy import Deployment
from tandem.platforms.dataproc.doctor import checks
from tandem.platforms.dataproc.network import check_network
from tandem.settings.load import load
from tandem.settings.model import Settings
from tandem_rehearsal.project_api import ProjectApi
from tandem_rehearsal.secret_manager import server

ACCOUNT = "tandem-job@rehearsal-project.iam.gserviceaccount.com"
TCP = {"direction": "INGRESS", "sourceRanges": ["10.0.0.0/8"], "allowed": [{"IPProtocol": "tcp"}]}
ALL = {**TCP, "allowed": [{"IPProtocol": "all"}]}


@pytest.fixture
def settings(tmp_path: Path, port: int) -> Settings:
    # These APIs have the third port.
    google = {"rehearsal_port": port - 2, "service_account": ACCOUNT}
    return load("rehearsal", {"state_dir": tmp_path, "gcp": google})


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[tuple[int, ProjectApi]]:
    """A project's APIs, and the port at which they are served."""
    project = ProjectApi("rehearsal-project", "rehearsal-north1")
    folder = tmp_path / "rehearsal" / "secrets"
    folder.mkdir(parents=True)
    with server(0, project, folder, {ACCOUNT}, lambda _: ACCOUNT) as serving:
        thread = threading.Thread(target=serving.serve_forever, args=(0.01,))
        thread.start()
        yield serving.server_port, project
        serving.shutdown()
        thread.join()


@pytest.fixture
def port(serving: tuple[int, ProjectApi]) -> int:
    return serving[0]


@pytest.fixture
def api(serving: tuple[int, ProjectApi]) -> ProjectApi:
    return serving[1]


def network(settings: Settings) -> str:
    return check_network(settings.gcp, Clients(settings.gcp).project)


def test_a_project_as_the_documentation_sets_it_up_is_complete(api: ProjectApi, settings: Settings) -> None:
    project = Clients(settings.gcp).project
    assert project.check_apis() == "all 9 are enabled"
    assert project.check_roles() == (
        "Dataproc Editor, Service Usage Consumer, Logs Viewer, Service Account User, Storage Object User"
    )
    assert network(settings) == "default, 10.10.0.0/20, NAT with 1024 ports for each machine"


@pytest.mark.parametrize("name", ["dataprocrm", "compute"])
def test_an_api_that_is_not_enabled_is_named(api: ProjectApi, settings: Settings, name: str) -> None:
    api.enabled.remove(name)
    with pytest.raises(EnvironmentNotReadyError, match=rf"does not use {name}\.googleapis\.com") as told:
        Clients(settings.gcp).project.check_apis()
    assert told.value.hint == f"`gcloud services enable {name}.googleapis.com --project=rehearsal-project`"


def test_an_api_that_a_check_itself_needs_is_named(api: ProjectApi, settings: Settings) -> None:
    api.enabled.remove("cloudresourcemanager")
    with pytest.raises(EnvironmentNotReadyError, match="does not use cloudresourcemanager") as told:
        Clients(settings.gcp).project.check_roles()
    assert told.value.hint == "`gcloud services enable cloudresourcemanager.googleapis.com`"


@pytest.mark.parametrize(
    ("permission", "lacks"),
    [
        ("dataproc.batches.create", "Dataproc Editor on the project rehearsal-project"),
        ("iam.serviceAccounts.actAs", f"Service Account User on {ACCOUNT}"),
        ("storage.objects.create", "Storage Object User on the bucket tandem-rehearsal"),
        ("storage.objects.delete", "Storage Object User on the bucket tandem-rehearsal"),
    ],
)
def test_a_missing_role_is_named(api: ProjectApi, settings: Settings, permission: str, lacks: str) -> None:
    api.granted.remove(permission)
    with pytest.raises(EnvironmentNotReadyError, match=re.escape(f"the login lacks {lacks}")):
        Clients(settings.gcp).project.check_roles()


def test_without_service_usage_google_refuses_and_the_role_is_named(api: ProjectApi, settings: Settings) -> None:
    api.granted.remove("serviceusage.services.use")
    with pytest.raises(EnvironmentNotReadyError, match="may not use the project rehearsal-project for its") as told:
        Clients(settings.gcp).project.check_roles()
    assert "roles/serviceusage.serviceUsageConsumer" in told.value.hint


@pytest.mark.parametrize(
    ("rules", "closed"),
    [
        ([], "tcp, udp, icmp"),
        ([TCP], "udp, icmp"),
        ([{**ALL, "sourceRanges": ["10.99.0.0/16"]}], "tcp, udp, icmp"),
        ([{**ALL, "targetTags": ["web"]}], "tcp, udp, icmp"),
        ([{**ALL, "disabled": True}], "tcp, udp, icmp"),
        ([{**ALL, "direction": "EGRESS"}], "tcp, udp, icmp"),
        ([{**TCP, "allowed": [{"IPProtocol": "tcp", "ports": ["22"]}]}], "tcp, udp, icmp"),
        ([{**ALL, "targetServiceAccounts": ["other@example.com"]}], "tcp, udp, icmp"),
        ([{"direction": "INGRESS", "sourceServiceAccounts": [ACCOUNT], "allowed": [{"IPProtocol": "all"}]}], None),
        ([TCP, {**TCP, "allowed": [{"IPProtocol": "udp", "ports": ["0-65535"]}, {"IPProtocol": "icmp"}]}], None),
        ([ALL], None),
        # On the list's second page.
        ([{**ALL, "disabled": True}, {**ALL, "disabled": True}, ALL], None),
    ],
)
def test_a_firewall_that_parts_the_machines_is_named(
    api: ProjectApi, settings: Settings, rules: list[dict[str, Any]], closed: str | None
) -> None:
    api.rules = rules
    if closed is None:
        assert network(settings).startswith("default")
        return
    with pytest.raises(TandemError, match=f"no firewall rule of the network default allows {closed} between") as told:
        network(settings)
    assert "gcloud compute firewall-rules create" in told.value.hint
    assert "--project=rehearsal-project`" in told.value.hint


def test_a_network_without_a_way_out_is_named(api: ProjectApi, settings: Settings) -> None:
    api.private_access = False
    with pytest.raises(TandemError, match="subnetwork default has no Private Google Access") as told:
        network(settings)
    assert told.value.hint.endswith("--project=rehearsal-project`")
    api.private_access, api.nats = True, []
    with pytest.raises(TandemError, match="network default has no Cloud NAT in rehearsal-north1"):
        network(settings)
    api.nats = [{"name": "own"}]
    assert network(settings).endswith("NAT with 64 ports for each machine")


def test_without_an_account_the_doctor_says_who_must_read_the_secrets(api: ProjectApi, settings: Settings) -> None:
    for name in ("kafka-password", "mongo-password"):
        (settings.home / "secrets" / name).write_text("x")
    told = "without gcp.service_account, the project's default account must have the right to read them"
    assert told not in checks(settings)["secrets"]()
    without = settings.model_copy(update={"gcp": settings.gcp.model_copy(update={"service_account": None})})
    assert checks(without)["secrets"]().endswith(f"; {told}")


def test_a_disabled_secret_is_named_to_the_deployer(api: ProjectApi, settings: Settings) -> None:
    folder = settings.home / "secrets"
    for name in ("kafka-password", "mongo-password"):
        (folder / name).write_text("x")
    assert len(Deployment(settings).check_secrets()) == 2
    (folder / "mongo-password.disabled").touch()
    with pytest.raises(EnvironmentNotReadyError, match=r"mongo-password cannot be read: its .* is DISABLED") as told:
        Deployment(settings).check_secrets()
    assert "gcloud secrets versions enable" in told.value.hint
    assert "--secret=mongo-password --project=rehearsal-project`" in told.value.hint


@pytest.mark.parametrize(
    ("error", "said", "hint"),
    [
        (
            Forbidden("The dataproc.googleapis.com API requires a quota project, which is not set by default."),
            "the login names no project for its quota",
            "set-quota-project",
        ),
        (
            InvalidArgument(
                "Multiple validation errors:\n - Insufficient 'CPUS' quota. Requested 12.0, available 8.0.\n"
                " - Insufficient 'DISKS_TOTAL_GB' quota. Requested 3000.0, available 1848.5."
            ),
            r"too small \(CPUS: 12 requested, 8 available; DISKS_TOTAL_GB: 3000 requested, 1848.5 available\)",
            "gcp.machine",
        ),
        (
            Forbidden("Quota 'N2_CPUS' exceeded.  Limit: 8.0 in region europe-west3."),
            r"too small \(N2_CPUS: the limit is 8\)",
            "ask for more",
        ),
        (
            Forbidden("User not authorized to act as service account 'a@b'."),
            "may not run jobs as the service account",
            "Service Account User",
        ),
    ],
)
def test_a_refusal_of_google_is_explained(error: Exception, said: str, hint: str) -> None:
    def refuse() -> None:
        raise error

    with pytest.raises(EnvironmentNotReadyError, match=f"submitting the job failed: .*{said}") as told:
        call("submitting the job", refuse)
    assert hint in told.value.hint
    assert "\n" not in str(told.value)


@dataclass
class Answer(transport.Response):
    """One answer to google.auth."""

    code: int
    document: Mapping[str, Any]

    @property
    def status(self) -> int:
        return self.code

    @property
    def headers(self) -> Mapping[str, str]:
        return {}

    @property
    def data(self) -> bytes:
        return json.dumps(self.document).encode()


@dataclass
class TokenServers(transport.Request):
    """Google's token servers, in place of google.auth's way to them."""

    answers: dict[str, Answer] = field(default_factory=dict)

    def __call__(self, url: str, *_: Any, **__: Any) -> Answer:
        return next((answer for part, answer in self.answers.items() if part in url), Answer(403, {"error": "denied"}))


@pytest.fixture
def tokens(monkeypatch: pytest.MonkeyPatch) -> TokenServers:
    servers = TokenServers()
    monkeypatch.setattr("google.auth.transport.requests.Request", lambda *_, **__: servers)
    token = {"access_token": "first", "expires_in": 3600, "token_type": "Bearer"}
    servers.answers["oauth2.googleapis.com/token"] = Answer(200, token)
    issued = {"issued_token_type": "urn:ietf:params:oauth:token-type:access_token"}
    servers.answers["sts.googleapis.com"] = Answer(200, {**token, **issued})
    accepted = {"accessToken": "second", "expireTime": "2099-01-01T00:00:00Z"}
    servers.answers[":generateAccessToken"] = Answer(200, accepted)
    return servers


PERSON = {"type": "authorized_user", "client_id": "a", "client_secret": "b", "refresh_token": "c"}
ACTED = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/deployer@p.iam.gserviceaccount.com"
IMPERSONATION = {
    "type": "impersonated_service_account",
    "service_account_impersonation_url": f"{ACTED}:generateAccessToken",
    "source_credentials": PERSON,
}


def federation(folder: Path, **more: str) -> dict[str, Any]:
    (folder / "id-token").write_text("from GitHub")
    pool = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/ci/providers/github"
    return {
        "type": "external_account",
        "audience": pool,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": "https://sts.googleapis.com/v1/token",
        "credential_source": {"file": str(folder / "id-token")},
        **more,
    }


def logged_in(folder: Path, monkeypatch: pytest.MonkeyPatch, login: Mapping[str, Any], settings: Settings) -> Clients:
    file = folder / "login.json"
    file.write_text(json.dumps(login))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    return Clients(settings.gcp.model_copy(update={"credentials": None}))


@pytest.mark.parametrize(
    ("kind", "account"),
    [
        ("person", "a user's"),
        ("impersonation", "deployer@p.iam.gserviceaccount.com, impersonated"),
        ("federation", "a federated identity"),
        ("federation and impersonation", "a federated identity as deployer@p.iam.gserviceaccount.com"),
    ],
)
def test_every_login_works_and_is_named(
    tokens: TokenServers, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str, account: str
) -> None:
    both = federation(tmp_path, service_account_impersonation_url=f"{ACTED}:generateAccessToken")
    logins = {
        "person": PERSON,
        "impersonation": IMPERSONATION,
        "federation": federation(tmp_path),
        "federation and impersonation": both,
    }
    assert logged_in(tmp_path, monkeypatch, logins[kind], settings).login() == account


def test_who_may_not_impersonate_gets_the_role(
    tokens: TokenServers, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    denied = "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist)."
    tokens.answers[":generateAccessToken"] = Answer(403, {"error": {"code": 403, "message": denied}})
    clients = logged_in(tmp_path, monkeypatch, IMPERSONATION, settings)
    with pytest.raises(EnvironmentNotReadyError, match="may not act as the service account that it names") as told:
        clients.login()
    assert "Service Account Token Creator" in told.value.hint


def test_a_login_that_cannot_be_used_is_not_taken_for_none(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    clients = logged_in(tmp_path, monkeypatch, {"type": "telepathy"}, settings)
    with pytest.raises(EnvironmentNotReadyError, match=r"login for Google Cloud cannot be used: .*telepathy"):
        clients.login()


@pytest.mark.parametrize("own", [None, "billing-project"])
def test_a_persons_calls_count_against_a_project(
    api: ProjectApi,
    tokens: TokenServers,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    own: str | None,
) -> None:
    # Google refuses a person who names none.
    api.people = {"first"}
    login = PERSON | ({"quota_project_id": own} if own else {})
    assert logged_in(tmp_path, monkeypatch, login, settings).project.check_apis() == "all 9 are enabled"
