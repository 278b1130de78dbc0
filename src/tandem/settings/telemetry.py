"""The settings of traces, metrics and lineage, which the dashboard sends."""

from __future__ import annotations

import os
from collections.abc import Mapping
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


def unused_addresses(telemetry: TelemetrySettings, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Returns why addresses in the libraries' variables are not used, by variable.

    The values are not repeated, because they may have a password.

    Args:
        telemetry: the settings.
        environ: the variables of this process or another one.
    """
    reasons = {}
    shared = {"OTEL_EXPORTER_OTLP_ENDPOINT": telemetry.otlp_endpoint, "OPENLINEAGE_URL": telemetry.openlineage_url}
    for name, address in shared.items():
        if environ.get(name) and address is None:
            reasons[name] = "not used: it is no address that begins with http:// or https:// and has no login"
    if telemetry.otlp_endpoint is None:
        for signal in ("TRACES", "METRICS"):
            if environ.get(name := f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT"):
                reasons[name] = "not used: nothing is sent without telemetry.otlp_endpoint"
    return reasons
