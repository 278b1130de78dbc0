"""The settings of traces, metrics and lineage, which the dashboard sends."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _without_login(url: str) -> str:
    if "@" in url:
        # The message does not repeat the address, which may hold the password.
        raise ValueError(
            "remove the credentials from the address; the guide docs/guides/telemetry.md has their variables"
        )
    return url


Address = Annotated[str, Field(pattern="^https?://[^/]"), AfterValidator(_without_login)]


class TelemetrySettings(BaseModel):
    """Where the dashboard sends traces, metrics and lineage; nothing by default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    otlp_endpoint: Address | None = None
    """The address of an OpenTelemetry collector, such as `http://127.0.0.1:4318`. OTEL_EXPORTER_OTLP_ENDPOINT sets it,
    too."""
    traces: bool = True
    """Whether each batch is sent as a trace, if there is an `otlp_endpoint`."""
    metrics: bool = True
    """Whether the dashboard's metrics are sent, if there is an `otlp_endpoint`."""
    metrics_seconds: float = Field(default=60, gt=0)
    """The time between two exports of the metrics, in seconds."""
    openlineage_url: Address | None = None
    """The address of a server for OpenLineage events, such as `http://127.0.0.1:5000`. OPENLINEAGE_URL sets it, too."""
    openlineage_namespace: str | None = Field(default=None, min_length=1)
    """The namespace of the job in OpenLineage events; default: `environment`. OPENLINEAGE_NAMESPACE sets it, too."""
