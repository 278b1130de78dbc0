"""The settings of one profile as one frozen value."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from tandem.catalog import PipelineLocation
from tandem.engine.spark.secrets import is_reference
from tandem.settings.google import GoogleSettings


def _checked(reference: str) -> str:
    if not is_reference(reference):
        # It may be the secret itself, so it is not repeated.
        raise ValueError(
            "a secret is named by env:VARIABLE, file:PATH or gsm:projects/P/secrets/S, and never written down itself"
        )
    return reference


EXECUTORS = "spark.executor.instances"

# Names a secret. It is resolved when a client is made: see ``connections.resolve``.
Reference = Annotated[str, AfterValidator(_checked)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class KafkaSettings(_Frozen):
    """Where Kafka is and how its topics are created."""

    port: int = Field(default=19092, ge=1, le=65535)
    controller_port: int = Field(default=19093, ge=1, le=65535)
    bootstrap: str = Field(default_factory=lambda values: f"127.0.0.1:{values['port']}")
    security: Literal["PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    username: str | None = None
    password: Reference | None = None
    # Where the job finds the password, when that is elsewhere than here.
    job_password: Reference | None = None
    # Of a broker whose certificate no public authority signed.
    ca: Path | None = None
    partitions: int = Field(ge=1)
    replication_factor: int = Field(ge=1)
    # Of topics that are created, besides those that the engine needs.
    topic_configs: dict[str, str] = {}


class MongoSettings(_Frozen):
    """Where MongoDB is."""

    port: int = Field(default=27117, ge=1, le=65535)
    options: str = "replicaSet=rs0"
    uri: str = Field(default_factory=lambda values: f"mongodb://127.0.0.1:{values['port']}/?{values['options']}")
    database: str = Field(min_length=1)
    username: str | None = None
    password: Reference | None = None
    # As for Kafka. The authority is for this machine's clients; Java's have it in their trust store.
    job_password: Reference | None = None
    ca: Path | None = None

    @field_validator("uri")
    @classmethod
    def _holds_no_login(cls, uri: str) -> str:
        if "@" in uri:
            # It may be the secret itself, so it is not repeated.
            raise ValueError("a login does not belong into the address; set mongo.username and mongo.password")
        return uri


class JobSettings(_Frozen):
    """The streaming job's settings besides its addresses. All durations are in seconds."""

    lateness_seconds: int = Field(ge=1)
    max_clock_skew_seconds: int = Field(ge=0)
    idle_timeout_seconds: int = Field(ge=1)
    # While no topic brings events, what may still come is dated this long before now; 0: dated now.
    outage_tolerance_seconds: int = Field(ge=0)
    # From one batch's start to the next one's; 0 for as soon as there are records.
    trigger_seconds: float = Field(default=0.0, ge=0)
    # Keyword arguments of the pipeline's transform; which there are, its settings.toml says.
    parameters: dict[str, Any] = {}


class UiSettings(_Frozen):
    """Where the dashboard is, and Spark's pages: the driver's, and in containers the master's."""

    dashboard_port: int = Field(default=8080, ge=1, le=65535)
    spark_port: int = Field(default=14040, ge=1, le=65535)
    master_port: int = Field(default=18080, ge=1, le=65535)
    # Whether the job writes what Spark's history server shows.
    event_log: bool = False


class LogSettings(_Frozen):
    """How programs log whose lines are kept: for a person, or as JSON for what collects them."""

    format: Literal["text", "json"] = "text"


class Settings(_Frozen):
    """Everything that differs between environments.

    A plain value: ``settings.load`` reads the environment and the disk, this class reads neither. All paths are
    absolute, so a process that works in another folder reads the same value from the JSON of ``model_dump_json``.
    """

    profile: str
    backend: Literal["embedded", "compose", "dataproc", "rehearsal"]
    description: str = ""
    # What has no default and cannot have one, for example the address of a cloud's brokers; then what only a job needs.
    required: tuple[str, ...] = ()
    required_to_deploy: tuple[str, ...] = ()
    # The first of those that are named, `a,b`: each of the others has settings of its own.
    pipeline: str
    # The user's own pipelines. Those that come with Tandem are found as well.
    pipelines_dir: Path
    # Where the loader has found the pipeline. Nothing sets it.
    location: PipelineLocation
    kafka: KafkaSettings
    mongo: MongoSettings
    job: JobSettings
    gcp: GoogleSettings
    ui: UiSettings = UiSettings()
    log: LogSettings = LogSettings()
    spark: dict[str, str] = {}
    # The default is ``.tandem`` in Tandem's checkout; without a checkout, in the user's Git repository.
    state_dir: Path
    cache_dir: Path
    # Of containers: where Kafka's and MongoDB's images come from, and the Compose project. None: the platform decides.
    images: Literal["official", "built"] | None = None
    project: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9_-]*$")
    # The certificate authority of a company's proxy, for the building of images. PIP_CERT, REQUESTS_CA_BUNDLE and
    # SSL_CERT_FILE set it, too, and JAVA_HOME the other.
    ca: Path | None = None
    java_home: Path | None = None

    @field_validator("spark")
    @classmethod
    def _java_takes_its_heap(cls, spark: dict[str, str]) -> dict[str, str]:
        # Spark gives it to Java as it is.
        memory = spark.get("spark.driver.memory", "1g")
        if not re.fullmatch("[0-9]+[kmgt]?", memory, re.IGNORECASE):
            raise ValueError(f"spark.driver.memory is {memory!r}; write a whole number and k, m, g or t, such as 4g")
        return spark

    @field_validator("spark")
    @classmethod
    def _has_executors_as_google_allows(cls, spark: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        number, google = spark.get(EXECUTORS, "2"), info.data.get("gcp")
        least, most = (2, 2000) if google and google.serverless else (1, 10_000)
        if not (number.isascii() and number.isdigit() and least <= int(number) <= most):
            raise ValueError(f"{EXECUTORS} is {number!r}; here it is a whole number from {least} to {most}")
        return spark

    @property
    def home(self) -> Path:
        """The folder of everything this profile keeps: data, checkpoint, logs, process ids."""
        return self.state_dir / self.profile
