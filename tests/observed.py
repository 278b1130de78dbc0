"""What compose/observe asks Prometheus for, and what its targets export.

``python -m tests.observed http://127.0.0.1:9090`` writes tests/exported from a running Prometheus.
"""

from __future__ import annotations

import json
import re
import sys
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Any

from tests import ROOT

FOLDER = ROOT / "compose" / "observe"
RULES, CONFIG, BOARD = FOLDER / "rules.yml", FOLDER / "prometheus.yml", FOLDER / "dashboards" / "tandem.json"
EXPORTED = ROOT / "tests" / "exported"
# Prometheus itself has these.
_OWN = {"up", "ALERTS"}
# Of the metrics that programs export; the rest is of their libraries.
_KEPT = ("tandem_", "metrics_executor_", "metrics_tandem_driver_jvm_")
_WORDS = {"and", "or", "unless", "offset"}


@dataclass(frozen=True)
class Alert:
    """An alert of rules.yml."""

    name: str
    expression: str
    runbook: str


def alerts() -> list[Alert]:
    """Returns the alerts in their order; each of their fields has a line of its own."""
    text = RULES.read_text("utf-8")
    fields = (re.findall(rf"^ +(?:- )?{field}: (.+)$", text, re.MULTILINE) for field in ("alert", "expr", "runbook"))
    return [Alert(*each) for each in zip(*fields, strict=True)]


def board() -> dict[str, Any]:
    """Returns the dashboard of Grafana."""
    found: dict[str, Any] = json.loads(BOARD.read_text("utf-8"))
    return found


def panels() -> dict[str, list[str]]:
    """Returns the expressions of each panel, by its title."""
    return {
        panel["title"]: [target["expr"] for target in panel["targets"]]
        for panel in board()["panels"]
        if panel["type"] != "row"
    }


def metrics_in(expression: str) -> set[str]:
    """Returns the names of the metrics in an expression, without Prometheus's own."""
    bare = re.sub(r"\{[^}]*\}|\[[^]]*\]|\bby *\([^)]*\)", " ", expression)
    return set(re.findall(r"\b[A-Za-z_]\w*\b(?! *\()", bare)) - _WORDS - _OWN


def jobs() -> list[str]:
    """Returns the names of the targets' groups in prometheus.yml, without Prometheus itself."""
    found = re.findall(r"job_name: (\S+)", CONFIG.read_text("utf-8"))
    return [name for name in found if name != "prometheus"]


def exported() -> dict[str, set[str]]:
    """Returns the metrics that the targets exported when tests/exported was written, by group."""
    return {name: set((EXPORTED / f"{name}.txt").read_text("utf-8").split()) for name in jobs()}


def ask(address: str, path: str, **parameters: str) -> Any:
    """Returns the data of Prometheus's answer.

    Args:
        address: Prometheus's URL.
        path: the path below ``/api/v1/``.
        parameters: of the request; ``match`` is ``match[]``.
    """
    named = {name.replace("match", "match[]"): value for name, value in parameters.items()}
    with urllib.request.urlopen(f"{address}/api/v1/{path}?{urllib.parse.urlencode(named)}", timeout=20) as answer:
        return json.load(answer)["data"]


def exported_by(address: str) -> dict[str, set[str]]:
    """Returns the metrics that a running Prometheus has of each group."""
    found = {name: set(ask(address, "label/__name__/values", match=f'{{job="{name}"}}')) for name in jobs()}
    return {name: {each for each in names if each.startswith(_KEPT)} for name, names in found.items()}


if __name__ == "__main__":
    for _name, _metrics in exported_by(sys.argv[1]).items():
        (EXPORTED / f"{_name}.txt").write_text("".join(f"{each}\n" for each in sorted(_metrics)), "utf-8")
