"""The settings of what runs in Google Cloud."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from tandem.engine.declare.job_config import METADATA, SECRET_MANAGER


class GoogleSettings(BaseModel):
    """Where in Google Cloud the job runs, on what, and by which addresses Google is reached."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    project: str | None = Field(default=None, pattern=r"^[a-z][a-z0-9:.-]{4,}$")
    region: str | None = Field(default=None, pattern=r"^[a-z]+-[a-z]+[0-9]+$")
    # Holds what is uploaded and the checkpoint. It is created by a person: a typing error must not create one.
    bucket: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$")
    # Whom the machines of the cluster act as; None for the project's default account, which may do more than it should.
    service_account: str | None = None
    subnetwork: str | None = None
    # Whether the job is a serverless batch, of another runtime, in place of a job on a cluster.
    serverless: bool = False
    # After so long Google ends a serverless batch, whatever it is doing; fourteen days are the most that can be had.
    ttl_hours: int = Field(default=336, ge=1, le=336)
    # Used when there is one of this name, else created.
    cluster: str = Field(pattern=r"^[a-z]([a-z0-9-]{0,49}[a-z0-9])?$")
    machine: str = "n2-standard-4"
    # 0 for a single machine that is master and worker, else at least 2.
    workers: int = Field(default=2, ge=0)
    # A cluster that was created here and has no job for so long deletes itself: a failed job must not cost for ever.
    # Google allows five minutes to fourteen days.
    idle_delete_minutes: int = Field(default=60, ge=5, le=20160)
    # The first of three ports on this machine, for Dataproc, Cloud Storage, and Secret Manager with the metadata
    # server; None for Google's own addresses. They and the credentials are all that a rehearsal differs by.
    rehearsal_port: int | None = Field(default=None, ge=1, le=65533)
    # None for the one of the region.
    dataproc_address: str | None = Field(default_factory=lambda values: _here(values, 0))
    storage_url: str = Field(
        default_factory=lambda values: _url(_here(values, 1)) or "https://storage.googleapis.com",
    )
    secret_manager_url: str = Field(default_factory=lambda values: _url(_here(values, 2)) or SECRET_MANAGER)
    metadata_url: str = Field(default_factory=lambda values: _url(_here(values, 2)) or METADATA)
    # None: those that Google's libraries find, of a login by gcloud or of the machine.
    credentials: Literal["none"] | None = Field(
        default_factory=lambda values: "none" if values["rehearsal_port"] else None
    )

    def api_url(self, name: str) -> str:
        """Returns the URL of an API of Google's that has no setting of its own, such as ``compute``."""
        return _url(_here({"rehearsal_port": self.rehearsal_port}, 2)) or f"https://{name}.googleapis.com"

    @field_validator("workers")
    @classmethod
    def _are_as_many_as_google_allows(cls, workers: int) -> int:
        if workers == 1:
            raise ValueError("a cluster has no worker (one machine for all) or at least 2")
        return workers


def _here(values: dict[str, Any], offset: int) -> str | None:
    port = values["rehearsal_port"]
    return f"127.0.0.1:{port + offset}" if port else None


def _url(address: str | None) -> str | None:
    return f"http://{address}" if address else None
