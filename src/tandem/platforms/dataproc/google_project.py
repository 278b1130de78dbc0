"""Checks the APIs and roles that a deployment needs in a Google project.

See docs/guides/gcp.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from tandem.errors import EnvironmentNotReadyError
from tandem.platforms.dataproc.calls import call
from tandem.platforms.dataproc.requirements import APIS, DEPLOYER_ROLES, On
from tandem.settings.google import GoogleSettings

if TYPE_CHECKING:
    from google.auth.transport.requests import AuthorizedSession

_TIMEOUT_S = 30.0
_ASKING = "asking for the login's roles"


class GoogleProject:
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
                f"the project does not use {', '.join(missing)}",
                hint=f"`gcloud services enable {' '.join(missing)} --project={self._google.project}`",
            )
        return f"all {len(wanted)} are enabled"

    def check_roles(self) -> str:
        """Returns the login's roles.

        Raises:
            EnvironmentNotReadyError: the login lacks one.
        """
        resource = f"/v1/projects/{self._google.project}"
        roles = _roles(On.PROJECT)
        missing = self._missing_roles("cloudresourcemanager", resource, roles)
        where = dict.fromkeys(missing, f"the project {self._google.project}")
        found = [*roles]
        if account := self._google.service_account:
            resource, roles = f"/v1/projects/-/serviceAccounts/{account}", _roles(On.ACCOUNT)
            where |= dict.fromkeys(self._missing_roles("iam", resource, roles), account)
            found += roles
        roles, bucket = _roles(On.BUCKET), self._google.bucket
        where |= dict.fromkeys(self._missing_on_bucket(roles), f"the bucket {bucket}")
        found += roles
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
        answer = self.get(_ASKING, api, f"{resource}:testIamPermissions", {"permissions": _permissions(roles)})
        return _without(answer, roles)

    def _missing_on_bucket(self, roles: Mapping[str, tuple[str, ...]]) -> list[str]:
        query = urlencode({"permissions": _permissions(roles)}, doseq=True)
        path = f"/storage/v1/b/{self._google.bucket}/iam/testPermissions?{query}"
        return _without(self.get(_ASKING, "storage", path), roles)


def _permissions(roles: Mapping[str, tuple[str, ...]]) -> list[str]:
    return [permission for permissions in roles.values() for permission in permissions]


def _without(answer: Mapping[str, Any], roles: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Returns the roles that have a permission which an answer does not name."""
    held = set(answer.get("permissions", ()))
    return [role for role, permissions in roles.items() if not held.issuperset(permissions)]


def _roles(on: On) -> dict[str, tuple[str, ...]]:
    """Returns the permissions that show whether the login has a role, by its title."""
    return {role.title: role.shown_by for role in DEPLOYER_ROLES if role.on is on and role.shown_by}
