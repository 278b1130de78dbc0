"""A stand-in for Google's APIs that describe a project.

They are Service Usage, Resource Manager, IAM, Compute Engine and the rights on a bucket.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

_NUMBER = "123456789"
_SUBNETWORK = "10.10.0.0/20"
# The permissions of the roles in docs/guides/gcp.md.
_PERMISSIONS = frozenset(
    {
        *("dataproc.clusters.create", "dataproc.jobs.create", "dataproc.batches.create"),
        *("serviceusage.services.use", "iam.serviceAccounts.actAs", "logging.logEntries.list"),
        *("storage.objects.create", "storage.objects.delete", "storage.objects.get"),
    }
)
# Small, so that lists have several.
_PAGE = 2
_USES = "serviceusage.services.use"
_APIS = (
    *("dataproc", "dataprocrm", "compute", "secretmanager", "storage", "logging", "iam", "cloudresourcemanager"),
    "serviceusage",
)

Answer = tuple[int, dict[str, Any]]


@dataclass
class ProjectApi:
    """One project as docs/guides/gcp.md sets it up; each attribute may be changed.

    Attributes:
        project: its id.
        region: the region of its only subnetwork.
        enabled: the names of the enabled APIs, without their domain.
        granted: the login's permissions.
        rules: the firewall rules of its network, as Compute Engine describes them.
        nats: the NATs of its router.
        private_access: whether machines without public addresses reach Google.
        people: the tokens of people, who have no project of their own.
    """

    project: str
    region: str
    enabled: set[str] = field(default_factory=lambda: set(_APIS))
    granted: set[str] = field(default_factory=lambda: set(_PERMISSIONS))
    rules: list[dict[str, Any]] = field(
        default_factory=lambda: [
            {
                "direction": "INGRESS",
                "sourceRanges": [_SUBNETWORK],
                "allowed": [{"IPProtocol": name} for name in ("tcp", "udp", "icmp")],
            }
        ]
    )
    nats: list[dict[str, Any]] = field(default_factory=lambda: [{"name": "tandem", "minPortsPerVm": 1024}])
    private_access: bool = True
    people: set[str] = field(default_factory=set)

    def answer(self, path: str, body: Mapping[str, Any] | None, headers: Mapping[str, str]) -> Answer | None:
        """Returns the HTTP status and the document for a request.

        None if the path is another service's.

        Args:
            path: the path and the query.
            body: of a POST; None for a GET.
            headers: those of the request, by their names in small letters.
        """
        url = urlsplit(path)
        token = headers.get("authorization", "").removeprefix("Bearer ")
        if token in self.people and not headers.get("x-goog-user-project"):
            text = (
                "Your application is authenticating by using local Application Default Credentials. The API requires "
                "a quota project, which is not set by default."
            )
            return _error(403, "PERMISSION_DENIED", text)
        if found := re.fullmatch(r"/v1/projects/([^/:]+)/services:batchGet", url.path):
            return self._refusal(found[1], None) or self._services(parse_qs(url.query)["names"])
        if found := re.fullmatch(r"/v1/projects/([^/:]+):testIamPermissions", url.path):
            return self._refusal(found[1], "cloudresourcemanager") or self._granted(body or {})
        if re.fullmatch(r"/v1/projects/-/serviceAccounts/[^/:]+:testIamPermissions", url.path):
            return self._refusal(self.project, "iam") or self._granted(body or {})
        if re.fullmatch(r"/storage/v1/b/[a-z0-9._-]+/iam/testPermissions", url.path):
            return self._granted(parse_qs(url.query))
        if found := re.fullmatch(r"/compute/v1/projects/([^/:]+)/(.+)", url.path):
            return self._refusal(found[1], "compute") or self._compute(found[2], parse_qs(url.query))
        return None

    def _refusal(self, project: str, api: str | None) -> Answer | None:
        """Returns Google's refusal of a request about a project.

        Reasons are a missing quota project, another project and a disabled API.
        """
        if _USES not in self.granted:
            text = (
                f"Caller does not have required permission to use project {self.project}. Grant the caller the "
                "roles/serviceusage.serviceUsageConsumer role, or a custom role with the serviceusage.services.use "
                "permission, by visiting https://console.developers.google.com/iam-admin/iam/project?project="
                f"{self.project} and then retry."
            )
            return _error(403, "PERMISSION_DENIED", text)
        if project != self.project:
            return _error(403, "PERMISSION_DENIED", f"Permission denied on resource project {project}.")
        if api and api not in self.enabled:
            where = f"https://console.developers.google.com/apis/api/{api}.googleapis.com/overview?project={_NUMBER}"
            text = (
                f"{api} API has not been used in project {_NUMBER} before or it is disabled. "
                f"Enable it by visiting {where} then retry."
            )
            return _error(403, "PERMISSION_DENIED", text)
        return None

    def _services(self, names: list[str]) -> Answer:
        services = []
        for name in names:
            service = name.rpartition("/")[2]
            enabled = service.removesuffix(".googleapis.com") in self.enabled
            state = "ENABLED" if enabled else "DISABLED"
            services.append({"name": f"projects/{_NUMBER}/services/{service}", "state": state})
        return 200, {"services": services}

    def _granted(self, body: Mapping[str, Any]) -> Answer:
        asked = body.get("permissions", [])
        if unknown := sorted(set(asked) - _PERMISSIONS):
            return _error(400, "INVALID_ARGUMENT", f"Permission {unknown[0]} is not valid for this resource.")
        held = [permission for permission in asked if permission in self.granted]
        return 200, {"permissions": held} if held else {}

    def _compute(self, resource: str, query: Mapping[str, list[str]]) -> Answer:
        network = f"https://www.googleapis.com/compute/v1/projects/{self.project}/global/networks/default"
        if found := re.fullmatch(f"regions/{self.region}/subnetworks/([a-z0-9-]+)", resource):
            own = {"name": found[1], "network": network, "ipCidrRange": _SUBNETWORK}
            return 200, {**own, "privateIpGoogleAccess": self.private_access}
        if resource == "global/firewalls":
            return 200, _page([{"network": network, **rule} for rule in self.rules], query)
        if resource == f"regions/{self.region}/routers":
            return 200, _page([{"name": "tandem", "network": network, "nats": [nat]} for nat in self.nats], query)
        return _error(404, "NOT_FOUND", f"The resource 'projects/{self.project}/{resource}' was not found")


def _page(items: list[dict[str, Any]], query: Mapping[str, list[str]]) -> dict[str, Any]:
    """Returns one page of a list.

    Google's have up to 500 items, and none has the field ``items`` if it is empty.
    """
    first = int(query.get("pageToken", ["0"])[0])
    page = {"items": items[first : first + _PAGE]} if items[first:] else {}
    return page | ({"nextPageToken": str(first + _PAGE)} if items[first + _PAGE :] else {})


def _error(code: int, status: str, message: str) -> Answer:
    return code, {"error": {"code": code, "message": message, "status": status}}
