"""Lists what a deployment needs in Google Cloud, Confluent Cloud and Atlas.

``tandem doctor`` checks it, docs/guides/gcp.md describes it, and infra/ creates it. A test compares the three.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

# Names of Google's APIs without their domain.
APIS = (
    *("dataproc", "dataprocrm", "compute", "secretmanager", "storage", "logging", "iam", "cloudresourcemanager"),
    "serviceusage",
)
# The same for a login by impersonation or by Workload Identity Federation.
FEDERATION_APIS = ("iamcredentials", "sts")
# The protocols that a firewall must allow between Dataproc's machines.
PROTOCOLS = ("tcp", "udp", "icmp")
# The ports of Cloud NAT for each machine; its own default is 64.
NAT_PORTS = 1024
# The rights on each topic.
TOPIC_RIGHTS = ("CREATE", "DESCRIBE", "DESCRIBE_CONFIGS", "READ", "WRITE", "DELETE")
# The role on the database.
DATABASE_ROLE = "readWrite"


class On(StrEnum):
    """The resource of a role."""

    PROJECT = "project"
    BUCKET = "bucket"
    SECRETS = "secrets"
    ACCOUNT = "service account"


@dataclass(frozen=True)
class Role:
    """A role of Google's.

    Attributes:
        title: its title in Google's console.
        name: its name without ``roles/``.
        on: the resource on which it is granted.
        shown_by: permissions that only a login with this role has; empty if ``doctor`` does not ask for any.
    """

    title: str
    name: str
    on: On
    shown_by: tuple[str, ...] = ()


# The roles of the service account of the job's machines.
JOB_ROLES = (
    Role("Dataproc Worker", "dataproc.worker", On.PROJECT),
    Role("Storage Object User", "storage.objectUser", On.BUCKET),
    Role("Secret Manager Secret Accessor", "secretmanager.secretAccessor", On.SECRETS),
)
# The roles of the login that deploys.
DEPLOYER_ROLES = (
    Role(
        "Dataproc Editor",
        "dataproc.editor",
        On.PROJECT,
        ("dataproc.clusters.create", "dataproc.jobs.create", "dataproc.batches.create"),
    ),
    Role(
        "Service Usage Consumer",
        "serviceusage.serviceUsageConsumer",
        On.PROJECT,
        ("serviceusage.services.use",),
    ),
    Role("Logs Viewer", "logging.viewer", On.PROJECT, ("logging.logEntries.list",)),
    Role("Compute Network Viewer", "compute.networkViewer", On.PROJECT),
    Role("Service Account User", "iam.serviceAccountUser", On.ACCOUNT, ("iam.serviceAccounts.actAs",)),
    Role(
        "Storage Object User",
        "storage.objectUser",
        On.BUCKET,
        ("storage.objects.create", "storage.objects.delete", "storage.objects.get"),
    ),
    Role("Storage Legacy Bucket Reader", "storage.legacyBucketReader", On.BUCKET),
    Role("Secret Manager Viewer", "secretmanager.viewer", On.SECRETS),
)
