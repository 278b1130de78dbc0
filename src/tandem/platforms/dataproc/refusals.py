"""Recognises Google's errors about missing rights, with a hint for each."""

from __future__ import annotations

import re
from typing import NamedTuple


class Refusal(NamedTuple):
    """What Google refused.

    Attributes:
        reason: what is missing, as the text after "failed" in a message.
        hint: what to do.
    """

    reason: str
    hint: str


_DISABLED = re.compile(r"has not been used in project (\S+) .{0,500}?apis/api/([a-z.]+)", re.DOTALL)
_NO_QUOTA_PROJECT = re.compile(r"requires a quota project")
_NOT_A_CONSUMER = re.compile(r"does not have required permission to use project ([a-z0-9:.-]*[a-z0-9])")
_NOT_IMPERSONATED = re.compile(r"iam\.serviceAccounts\.getAccessToken")
_NOT_USER_OF_ACCOUNT = re.compile(r"iam\.serviceAccounts\.actAs|not authorized to act as service account")
_NUMBER = r"(\d+(?:\.\d+)?)"
_TOO_LITTLE = re.compile(rf"Insufficient '(\w+)' quota\. Requested {_NUMBER}, available {_NUMBER}")
_EXCEEDED = re.compile(rf"Quota '(\w+)' exceeded\.\s+Limit: {_NUMBER}")
_MORE = "ask for more in the console (IAM & Admin, Quotas), or set a smaller gcp.machine or fewer gcp.workers"


def recognised(text: str) -> Refusal | None:
    """Returns the refusal that Google's text describes; None for any other text."""
    if found := _DISABLED.search(text):
        return Refusal(f"the project {found[1]} does not use {found[2]} yet", f"`gcloud services enable {found[2]}`")
    if _NO_QUOTA_PROJECT.search(text):
        return Refusal(
            "the login names no project for its quota", "`gcloud auth application-default set-quota-project PROJECT`"
        )
    if found := _NOT_A_CONSUMER.search(text):
        return Refusal(
            f"the login may not use the project {found[1]} for its quota",
            f"grant it Service Usage Consumer (roles/serviceusage.serviceUsageConsumer) on {found[1]}",
        )
    if _NOT_IMPERSONATED.search(text):
        return Refusal(
            "the login may not act as the service account that it names",
            "grant it Service Account Token Creator on that account; a federated identity also Workload Identity User",
        )
    if _NOT_USER_OF_ACCOUNT.search(text):
        return Refusal(
            "the login may not run jobs as the service account", "grant it Service Account User on gcp.service_account"
        )
    return _quota(text)


def _quota(text: str) -> Refusal | None:
    found = _TOO_LITTLE.findall(text)
    parts = [f"{name}: {float(wanted):g} requested, {float(free):g} available" for name, wanted, free in found]
    parts += [f"{name}: the limit is {float(limit):g}" for name, limit in _EXCEEDED.findall(text)]
    return Refusal(f"the project's quota is too small ({'; '.join(parts)})", _MORE) if parts else None
