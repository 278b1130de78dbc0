"""The settings of one profile as one frozen value."""

from __future__ import annotations

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from tandem.catalog import PipelineLocation
from tandem.engine.declare.control_record import sender_of
from tandem.engine.spark.secrets import REFERENCE, is_reference
from tandem.settings.google import GoogleSettings
from tandem.settings.heap_size import DRIVER, EXECUTOR, HEAP_PATTERN, check_heaps
from tandem.settings.telemetry_settings import TelemetrySettings


def _checked(reference: str) -> str:
    if not is_reference(reference):
        # The message does not repeat the value, which may be the secret itself.
        raise ValueError(
            "expected a reference (env:VARIABLE, file:PATH, gsm:projects/P/secrets/S), not the secret itself"
        )
    return reference


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


EXECUTORS = "spark.executor.instances"
# A broker's name or address, and its port.
_BROKER = re.compile(r"([\w.%-]+|\[[0-9a-fA-F:.%]+\]):[0-9]{1,5}")
_MONGO_SCHEMES = ("mongodb", "mongodb+srv")
# Where an environment runs. Code that chooses by it is exhaustive.
Backend = Literal["embedded", "compose", "dataproc", "rehearsal"]
# What the loader finds; no place sets these.
FOUND = ("location", "profile_file")

# Names a secret; ``connections.resolve`` reads it when a client needs it.
Reference = Annotated[str, AfterValidator(_checked), Field(json_schema_extra={"pattern": f"^({REFERENCE.pattern})$"})]
# What an editor checks of an address: it holds no login.
_NO_LOGIN: dict[str, Any] = {"pattern": "^[^@]*$"}


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
    job_password: Reference | None = None
    """The job's reference to the password; default: ``password``."""
    ca: Path | None = None
    """The authority's certificate, if no public authority signed the brokers' certificates."""
    partitions: int = Field(ge=1)
    replication_factor: int = Field(ge=1)
    topic_configs: dict[str, str] = {}
    """Further settings of new topics."""

    @field_validator("bootstrap")
    @classmethod
    def _has_ports_and_no_protocol(cls, bootstrap: str) -> str:
        if not all(_BROKER.fullmatch(each.strip()) for each in bootstrap.split(",")):
            raise ValueError("expected HOST:PORT without a protocol; separate several brokers with commas")
        return bootstrap


class MongoSettings(_Frozen):
    """Where MongoDB is."""

    port: int = Field(default=27117, ge=1, le=65535)
    options: str = "replicaSet=rs0"
    uri: str = Field(
        default_factory=lambda values: f"mongodb://127.0.0.1:{values['port']}/?{values['options']}",
        json_schema_extra=_NO_LOGIN,
    )
    database: str = Field(min_length=1)
    username: str | None = None
    password: Reference | None = None
    job_password: Reference | None = None
    """The job's reference to the password; default: ``password``."""
    ca: Path | None = None
    """The authority's certificate for this machine's clients. The job's Java has it in its trust store."""

    @field_validator("uri")
    @classmethod
    def _holds_no_login(cls, uri: str) -> str:
        if "@" in uri:
            # The message does not repeat the address, which may hold the password.
            raise ValueError("remove the credentials from the address; set mongo.username and mongo.password")
        scheme, found, rest = uri.partition("://")
        if scheme not in _MONGO_SCHEMES or not found or "://" in rest.partition("?")[0]:
            raise ValueError("expected an address such as mongodb+srv://HOST/?retryWrites=true")
        return uri


class RegistrySettings(_Frozen):
    """Where the schema registry is. Only `tandem schemas` asks it."""

    url: str | None = Field(default=None, pattern="^https?://[^/]", json_schema_extra=_NO_LOGIN)
    """The address of an API like Confluent's, such as `https://HOST` or `http://127.0.0.1:8081/apis/ccompat/v7`."""
    username: str | None = None
    """The user, or the API key."""
    password: Reference | None = None
    """Needs an `https` address, unless the registry is on this machine."""
    ca: Path | None = None
    """The authority's certificate, if no public authority signed the registry's certificate."""

    @field_validator("url")
    @classmethod
    def _holds_no_login(cls, url: str | None) -> str | None:
        if url and "@" in url:
            # The message does not repeat the address, which may hold the password.
            raise ValueError("remove the credentials from the address; set registry.username and registry.password")
        return url

    @field_validator("password")
    @classmethod
    def _is_sent_encrypted(cls, password: str | None, info: ValidationInfo) -> str | None:
        url = urlsplit(info.data.get("url") or "")
        if password and url.scheme == "http" and not _is_loopback(url.hostname or ""):
            raise ValueError("the address would send the password unencrypted; set registry.url to an https address")
        return password


class JobSettings(_Frozen):
    """The streaming job's settings, without its addresses.

    All durations are in seconds.
    """

    lateness_seconds: int = Field(ge=1)
    max_clock_skew_seconds: int = Field(ge=0)
    idle_timeout_seconds: int = Field(ge=1)
    outage_tolerance_seconds: int = Field(ge=0)
    """While all topics are quiet, the watermark stays this long behind now."""
    trigger_seconds: float = Field(default=0.0, ge=0)
    """The time from one batch's start to the next; 0 starts a batch as soon as there are records."""
    parameters: dict[str, Any] = {}
    """Keyword arguments of the transform; the pipeline's settings.toml declares them."""


class UiSettings(_Frozen):
    """The ports of the dashboard and of Spark's pages."""

    dashboard_port: int = Field(default=8080, ge=1, le=65535)
    spark_port: int = Field(default=14040, ge=1, le=65535)
    master_port: int = Field(default=18080, ge=1, le=65535)
    event_log: bool = False
    """Whether the job writes event logs for Spark's history server."""


class LogSettings(_Frozen):
    """The format of the kept logs: text, or JSON for log collectors."""

    format: Literal["text", "json"] = "text"


class Settings(_Frozen):
    """Everything that differs between environments.

    A plain value: only ``settings.load`` reads the environment and the disk. All paths are absolute, so that a process
    in another folder reads the same value from the JSON of ``model_dump_json``.
    """

    profile: str
    profile_file: Path | None = None
    """The user's file that defines the profile; None if it comes with Tandem. It cannot be set."""
    backend: Backend
    description: str = ""
    environment: str = Field(default="tandem", pattern=r"^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$")
    """The prefix of names of containers, cluster, jobs and objects. A profile NAME of `tandem.toml` has tandem-NAME."""
    protected: bool = False
    """Whether commands that lose data or send generated records need the profile's name as a confirmation."""
    required: tuple[str, ...] = ()
    """The settings that the profile cannot have a default for, for example the address of a cloud's brokers."""
    required_to_deploy: tuple[str, ...] = ()
    """The same for settings that only a deployed job needs."""
    required_serverless: tuple[str, ...] = ()
    """The same for settings that only a serverless batch needs."""
    pipeline: str
    """The pipeline. If several are named, such as ``a,b``, each has its own settings."""
    pipelines_dir: Path
    """The user's folder of pipelines. The bundled pipelines are always available."""
    location: PipelineLocation
    """The location of the pipeline, which the loader sets."""
    kafka: KafkaSettings
    mongo: MongoSettings
    registry: RegistrySettings = RegistrySettings()
    job: JobSettings
    gcp: GoogleSettings
    ui: UiSettings = UiSettings()
    log: LogSettings = LogSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    spark: dict[str, str] = Field(
        default={},
        json_schema_extra={
            "properties": {name: {"type": "string", "pattern": HEAP_PATTERN} for name in (DRIVER, EXECUTOR)}
        },
    )
    state_dir: Path
    """The folder of all state; default: ``.tandem`` in Tandem's checkout or, without one, in your Git repository."""
    cache_dir: Path
    images: Literal["official", "built"] | None = None
    """The source of Kafka's and MongoDB's images; None lets Tandem choose."""
    project: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9_-]*$")
    """The Compose project; None derives it from the checkout's path."""
    ca: Path | None = None
    """The certificate authority of a company's proxy, for image builds. PIP_CERT, REQUESTS_CA_BUNDLE and SSL_CERT_FILE
    set it, too."""
    java_home: Path | None = None
    """The Java to use. JAVA_HOME sets it, too."""

    @field_validator("spark")
    @classmethod
    def _java_takes_its_heaps(cls, spark: dict[str, str]) -> dict[str, str]:
        check_heaps(spark)
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
    def needed_to_deploy(self) -> tuple[str, ...]:
        """The settings, named ``section.key``, without which nothing is deployed."""
        serverless = self.required_serverless if self.gcp.serverless else ()
        return (*self.required, *self.required_to_deploy, *serverless)

    @property
    def billed(self) -> bool:
        """Whether clusters, jobs and objects cost money; a rehearsal's do not."""
        return self.backend == "dataproc"

    @property
    def sender(self) -> str:
        """The job's name in its control records."""
        return sender_of(self.mongo.database, self.pipeline)

    @property
    def home(self) -> Path:
        """The folder of this profile's data, checkpoint, logs and process ids."""
        return self.state_dir / self.profile
