"""The settings for Google Cloud."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from tandem.engine.declare.job_config import METADATA, SECRET_MANAGER

# The series of machines that have no persistent disks.
HYPERDISK_ONLY = ("c4", "c4a", "c4d", "n4", "n4a", "n4d")


class GoogleSettings(BaseModel):
    """The project, the machines and the service addresses of a job in Google Cloud."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    project: str | None = Field(default=None, pattern=r"^[a-z][a-z0-9:.-]{4,}$")
    region: str | None = Field(default=None, pattern=r"^[a-z]+-[a-z]+[0-9]+$")
    bucket: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$")
    """The bucket of the uploads and the checkpoint. You create it, so that a typing error cannot create one."""
    service_account: str | None = None
    """The service account of the cluster's machines; None for the project's default, which has too many rights."""
    subnetwork: str | None = None
    serverless: bool = False
    """Whether the job runs as a serverless batch, which has another runtime, instead of on a cluster."""
    ttl_hours: int = Field(default=336, ge=1, le=336)
    """The lifetime of a serverless batch; Google then ends it and allows at most fourteen days."""
    cluster: str = Field(pattern=r"^[a-z]([a-z0-9-]{0,49}[a-z0-9])?$")
    """The cluster; ``tandem deploy`` creates it if it does not exist."""
    machine: str = "n2-standard-4"
    """The type of the cluster's machines. Executors are sized for it."""
    workers: int = Field(default=2, ge=0, json_schema_extra={"not": {"const": 1}})
    """The number of workers; 0 for a single machine that is master and worker, else at least 2."""
    disk_gb: int = Field(default=100, ge=50)
    """The size of each machine's boot disk, which also has the state and what Spark spills. Google's default is 500."""
    disk_type: str = Field(default="pd-balanced", validate_default=True)
    """The type of the boot disks; machines of the series C4 and N4 need ``hyperdisk-balanced``."""
    idle_delete_minutes: int = Field(default=60, ge=5, le=20160)
    """A cluster that Tandem created deletes itself after this time without a job, to save costs."""
    rehearsal_port: int | None = Field(default=None, ge=1, le=65533)
    """The first of three ports of the rehearsal's stand-ins; None for Google's own addresses.

    They stand for Dataproc with Cloud Logging, Cloud Storage, and Secret Manager with the metadata server. A rehearsal
    differs from the cloud only in these addresses and the credentials.
    """
    dataproc_address: str | None = Field(default_factory=lambda values: _here(values, 0))
    """The address of Dataproc; None for the region's."""
    logging_address: str = Field(default_factory=lambda values: _here(values, 0) or "logging.googleapis.com:443")
    """The address of Cloud Logging."""
    storage_url: str = Field(
        default_factory=lambda values: _url(_here(values, 1)) or "https://storage.googleapis.com",
    )
    secret_manager_url: str = Field(default_factory=lambda values: _url(_here(values, 2)) or SECRET_MANAGER)
    metadata_url: str = Field(default_factory=lambda values: _url(_here(values, 2)) or METADATA)
    credentials: Literal["none"] | None = Field(
        default_factory=lambda values: "none" if values["rehearsal_port"] else None
    )
    """None for those that Google's libraries find, from ``gcloud`` or the machine."""

    def api_url(self, name: str) -> str:
        """Returns the URL of a Google API without a setting, such as ``compute``."""
        return _url(_here({"rehearsal_port": self.rehearsal_port}, 2)) or f"https://{name}.googleapis.com"

    @field_validator("workers")
    @classmethod
    def _are_as_many_as_google_allows(cls, workers: int) -> int:
        if workers == 1:
            raise ValueError("a cluster has no worker (one machine for all) or at least 2")
        return workers

    @field_validator("disk_type")
    @classmethod
    def _fits_the_machines(cls, disk_type: str, info: ValidationInfo) -> str:
        series = str(info.data.get("machine")).partition("-")[0]
        if series in HYPERDISK_ONLY and not disk_type.startswith("hyperdisk-"):
            raise ValueError(f"machines of the series {series} have no disks of this type: set hyperdisk-balanced")
        return disk_type


def _here(values: dict[str, Any], offset: int) -> str | None:
    port = values["rehearsal_port"]
    return f"127.0.0.1:{port + offset}" if port else None


def _url(address: str | None) -> str | None:
    return f"http://{address}" if address else None
