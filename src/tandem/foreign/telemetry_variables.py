"""Finds addresses in telemetry libraries' variables that Tandem does not use."""

from __future__ import annotations

import os
from collections.abc import Mapping


def unused_addresses(
    otlp_endpoint: str | None, openlineage_url: str | None, environ: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """Returns why addresses in the libraries' variables are not used, by variable.

    The values are not repeated, because they may have a password.

    Args:
        otlp_endpoint: the setting ``telemetry.otlp_endpoint``.
        openlineage_url: the setting ``telemetry.openlineage_url``.
        environ: the variables of this process or another one.
    """
    reasons = {}
    for name, address in {"OTEL_EXPORTER_OTLP_ENDPOINT": otlp_endpoint, "OPENLINEAGE_URL": openlineage_url}.items():
        if environ.get(name) and address is None:
            reasons[name] = "not used: it is no address that begins with http:// or https:// and has no login"
    if otlp_endpoint is None:
        for signal in ("TRACES", "METRICS"):
            if environ.get(name := f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT"):
                reasons[name] = "not used: nothing is sent without telemetry.otlp_endpoint"
    return reasons
