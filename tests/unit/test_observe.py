"""The alerts and the dashboard of the Compose profile ``observe``: what they ask for exists, and the rules hold."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests import ROOT
from tests.observed import CONFIG, RULES, Alert, alerts, board, exported, metrics_in, panels
from tests.unit.test_documentation import wrong_paths

TESTS = Path(__file__).parent / "alerts.yml"
EXPORTED = set().union(*exported().values())
EXPRESSIONS = {alert.name: [alert.expression] for alert in alerts()} | panels()

promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="there is no promtool on PATH (Debian: package prometheus)"
)


def outcome_of(rules: str, folder: Path, about: str = "") -> subprocess.CompletedProcess[str]:
    """Returns what promtool says about other rules in the tests that name an alert, or in all."""
    head, *tests = re.split(r"^(?=  - name: )", TESTS.read_text("utf-8"), flags=re.MULTILINE)
    for file in (RULES, TESTS):
        (folder / file.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
    (folder / RULES.relative_to(ROOT)).write_text(rules, "utf-8")
    text = "".join((head, *(each for each in tests if about in each)))
    (folder / TESTS.relative_to(ROOT)).write_text(text, "utf-8")
    command = ["promtool", "test", "rules", str(folder / TESTS.relative_to(ROOT))]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@promtool
def test_prometheus_accepts_the_configuration() -> None:
    subprocess.run(["promtool", "check", "config", str(CONFIG)], check=True)


@promtool
def test_the_pages_configuration_for_processes_reads_the_same_targets(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "guides" / "observe.md").read_text("utf-8")
    (config,) = re.findall(r"^```\n(global: .+?)^```", page, re.MULTILINE | re.DOTALL)
    shutil.copy(RULES, tmp_path)
    (tmp_path / CONFIG.name).write_text(config, "utf-8")
    subprocess.run(["promtool", "check", "config", str(tmp_path / CONFIG.name)], check=True)
    named = re.findall(r"job_name: (\S+)|metrics_path: (\S+)", config)
    ours = re.findall(r"job_name: (\S+)|metrics_path: (\S+)", CONFIG.read_text("utf-8"))
    assert named == [each for each in ours if each[0] not in ("tandem-producers", "prometheus")]


@promtool
def test_each_alert_fires_and_resolves_when_it_should(tmp_path: Path) -> None:
    done = outcome_of(RULES.read_text("utf-8"), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@promtool
@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert.name)
@pytest.mark.parametrize("other", ["vector(1) > 2", "vector(1)"], ids=["never", "always"])
def test_an_alert_that_never_or_always_fires_is_found(alert: Alert, other: str, tmp_path: Path) -> None:
    rules = RULES.read_text("utf-8")
    assert rules.count(f"expr: {alert.expression}\n") == 1
    done = outcome_of(rules.replace(f"expr: {alert.expression}\n", f"expr: {other}\n"), tmp_path, alert.name)
    assert done.returncode == 1
    assert alert.name in done.stdout + done.stderr


@pytest.mark.parametrize("title", EXPRESSIONS)
def test_every_metric_that_is_asked_for_is_exported(title: str) -> None:
    for expression in EXPRESSIONS[title]:
        assert metrics_in(expression) <= EXPORTED, expression


def test_the_names_in_an_expression_are_its_metrics() -> None:
    asked = 'sum by (error) (rate(a_total{error="x or y"}[5m])) / b > 2 * max_over_time(c[1d] offset 1h) and up == 0'
    assert metrics_in(asked) == {"a_total", "b", "c"}


def test_a_metric_that_no_target_prints_is_found() -> None:
    assert not metrics_in("tandem_job_lags > 1") <= EXPORTED


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert.name)
def test_each_alert_links_to_the_section_that_says_what_to_do(alert: Alert) -> None:
    assert alert.runbook == f"docs/guides/observe.md#{alert.name.lower()}"
    assert wrong_paths(alert.runbook) == []


def test_the_page_describes_no_other_alert() -> None:
    page = (ROOT / "docs" / "guides" / "observe.md").read_text("utf-8")
    assert re.findall(r"^### (Tandem\w+)$", page, re.MULTILINE) == [alert.name for alert in alerts()]


def test_each_panel_reads_the_provisioned_data_source() -> None:
    source = (CONFIG.parent / "grafana_source.yml").read_text("utf-8")
    (uid,) = re.findall(r"uid: (\w+)", source)
    shown = [panel for panel in board()["panels"] if panel["type"] != "row"]
    assert {panel["datasource"]["uid"] for panel in shown} == {uid}
    assert {target["datasource"]["uid"] for panel in shown for target in panel["targets"]} == {uid}
    assert len({panel["id"] for panel in board()["panels"]}) == len(board()["panels"])


def test_no_panel_covers_another() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in board()["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        taken |= cells
