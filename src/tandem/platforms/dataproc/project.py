"""What must be set up in a Google project before a deployment, and whether it is there; see docs/guides/gcp.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from tandem.errors import EnvironmentNotReadyError
from tandem.platforms.dataproc.calls import call
from tandem.settings.google import GoogleSettings

if TYPE_CHECKING:
    from google.auth.transport.requests import AuthorizedSession

# Names of Google's APIs without their domain.
APIS = ("dataproc", "dataprocrm", "compute", "secretmanager", "storage", "logging", "iam", "cloudresourcemanager")
# The roles of the login, by the permissions that show whether it has them.
PROJECT_ROLES = {
    "Dataproc Editor": ("dataproc.clusters.create", "dataproc.jobs.create", "dataproc.batches.create"),
    "Service Usage Consumer": ("serviceusage.services.use",),
    "Logs Viewer": ("logging.logEntries.list",),
}
ACCOUNT_ROLES = {"Service Account User": ("iam.serviceAccounts.actAs",)}
_TIMEOUT_S = 30.0


class Project:
    """The project of a profile, by Google's APIs that describe it. It only reads.

    Args:
        google: Google's settings.
        session: sends requests with the login.
    """

    def __init__(self, google: GoogleSettings, session: AuthorizedSession) -> None:
        self._google, self._session = google, session

    def check_apis(self) -> str:
        """Returns the number of enabled APIs.

        Raises:
            EnvironmentNotReadyError: the project does not use an API that a deployment needs.
        """
        parent = f"projects/{self._google.project}"
        names = "&".join(f"names={parent}/services/{name}.googleapis.com" for name in APIS)
        answer = self.get("looking at the enabled APIs", "serviceusage", f"/v1/{parent}/services:batchGet?{names}")
        states = {service["name"].rpartition("/")[2]: service["state"] for service in answer["services"]}
        wanted = [f"{name}.googleapis.com" for name in APIS]
        if missing := [name for name in wanted if states.get(name) != "ENABLED"]:
            raise EnvironmentNotReadyError(
                f"the project does not use {', '.join(missing)}", hint=f"`gcloud services enable {' '.join(missing)}`"
            )
        return f"all {len(wanted)} are enabled"

    def check_roles(self) -> str:
        """Returns the roles of the login.

        Raises:
            EnvironmentNotReadyError: the login lacks one.
        """
        resource = f"/v1/projects/{self._google.project}"
        missing = self._missing_roles("cloudresourcemanager", resource, PROJECT_ROLES)
        where = dict.fromkeys(missing, f"the project {self._google.project}")
        found = [*PROJECT_ROLES]
        if account := self._google.service_account:
            resource = f"/v1/projects/-/serviceAccounts/{account}"
            where |= dict.fromkeys(self._missing_roles("iam", resource, ACCOUNT_ROLES), account)
            found += ACCOUNT_ROLES
        if where:
            raise EnvironmentNotReadyError(
                "the login lacks " + ", ".join(f"{role} on {place}" for role, place in where.items()),
                hint="grant each in the console (IAM & Admin), or by `gcloud ... add-iam-policy-binding`",
            )
        return ", ".join(found)

    def get(self, what: str, api: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Returns an API's answer; for errors see ``call``.

        Args:
            what: the action, for messages.
            api: the API's name without its domain.
            path: the rest of the URL.
            body: of a POST; None for a GET.
        """
        from google.api_core.exceptions import from_http_response

        url = f"{self._google.api_url(api)}{path}"

        def send() -> dict[str, Any]:
            method = "GET" if body is None else "POST"
            answer = self._session.request(method, url, json=body, timeout=_TIMEOUT_S)  # type: ignore[no-untyped-call]
            if not answer.ok:
                raise from_http_response(answer)  # type: ignore[no-untyped-call]
            found: dict[str, Any] = answer.json()
            return found

        return call(what, send)

    def items(self, what: str, api: str, path: str) -> Iterator[dict[str, Any]]:
        """Yields the items of a list, of all its pages; for errors see ``call``.

        Args:
            what: the action, for messages.
            api: the API's name without its domain.
            path: the rest of the URL, without a query.
        """
        token = ""
        while True:
            page = self.get(what, api, f"{path}?{urlencode({'pageToken': token})}" if token else path)
            yield from page.get("items", ())
            token = page.get("nextPageToken", "")
            if not token:
                return

    def _missing_roles(self, api: str, resource: str, roles: Mapping[str, tuple[str, ...]]) -> list[str]:
        asked = [permission for permissions in roles.values() for permission in permissions]
        answer = self.get("asking for the login's roles", api, f"{resource}:testIamPermissions", {"permissions": asked})
        held = set(answer.get("permissions", ()))
        return [role for role, permissions in roles.items() if not held.issuperset(permissions)]
