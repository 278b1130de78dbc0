"""The bench runs for real: it starts what it measures, its figures are of this run, and it leaves nothing behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tandem.errors import EnvironmentNotReadyError
from tandem.platforms.compose.engine import find_engine
from tandem_bench.run import PARTS
from tests import ROOT, STATE
from tests.environment import Environment

FIRST_PORT = 29760
# Its own place and ports win over what a user has set for the others.
BENCH = Environment(STATE / "bench", 29720)
ROWS = 20_000
SMALL = ("--rows", str(ROWS), "--rate", "500", "--warm", "20", "--seconds", "15")
COMMAND = [str(ROOT / "scripts" / "bench"), "--quick", "--first-port", str(FIRST_PORT)]


def bench(folder: Path, *arguments: str) -> tuple[str, dict[str, Any]]:
    """Returns what was printed, and the JSON."""
    done = subprocess.run(
        [*COMMAND, "--out", str(folder), *arguments],
        env=variables(),
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert BENCH.processes() == []
    return done.stdout, json.loads((folder / "bench.json").read_text())


def variables() -> dict[str, str]:
    return {**BENCH.variables, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "COLUMNS": "200"}


@pytest.mark.parametrize(
    ("arguments", "error"),
    [(["warp"], "there is no part 'warp'"), (["--profile", "local", "idle"], "measures the profile embedded only")],
)
def test_what_cannot_be_measured_is_said_before_anything_starts(arguments: list[str], error: str) -> None:
    done = subprocess.run([*COMMAND, *arguments], env=variables(), capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert error in done.stderr
    assert "hint:" in done.stderr
    assert BENCH.processes() == []


@pytest.mark.on_demand
def test_recovery_is_measured_with_an_empty_and_with_a_full_state(tmp_path: Path) -> None:
    printed, document = bench(tmp_path, "recovery", *SMALL)
    (part,) = document["parts"]
    empty, full = part["rows"][:2], part["rows"][2:4]
    for first, caught_up in (empty, full):
        assert 0 < first["median"] <= caught_up["median"]
        assert "records verified" in first["remark"]
        assert first["name"] in printed
    assert empty[0]["group"] != full[0]["group"]
    # The same number of records a second, and the filled ones.
    assert verified(full[0]) - verified(empty[0]) > ROWS / 2
    assert document["about"]["machine"]["cores"] >= 1
    assert document["about"]["versions"]["mongod"]
    assert (tmp_path / "recovery.svg").read_text().startswith("<svg")


def verified(row: dict[str, Any]) -> int:
    found = re.search(r"(\d+) records verified", row["remark"])
    assert found, row
    return int(found[1])


@pytest.mark.on_demand
@pytest.mark.parametrize("part", ["full_windows", "recovery", "sustained", "trickle"])
def test_an_environment_in_containers_is_measured(tmp_path: Path, part: str) -> None:
    find_engine_or_skip()
    _, document = bench(tmp_path, part, "--backend", "compose", *SMALL)
    (found,) = document["parts"]
    assert all(value > 0 for row in found["rows"] for value in row["values"])
    assert all("containers" in row["group"] for row in found["rows"])
    assert verified(found["rows"][0]) > 0


def find_engine_or_skip() -> None:
    try:
        find_engine()
    except EnvironmentNotReadyError as error:
        pytest.skip(f"{error}: the containers are not measured")


@pytest.mark.on_demand
def test_a_peer_joins_what_it_is_given(tmp_path: Path) -> None:
    _, document = bench(tmp_path, "throughput", "--records", "40000")
    (part,) = document["parts"]
    assert all(value > 0 for row in part["rows"] for value in row["values"])
    judged = {row["name"]: row["remark"] for row in part["rows"] if row["kind"] == "peer"}
    assert len(judged) == 3
    for name, remark in judged.items():
        # Odd forms that it cannot read, not what every program reads; the tutorials' design has a tenth of the records.
        lost = re.search(r"(\d+) lost", remark)
        assert lost is None or int(lost[1]) < 0.05 * 20_000, f"{name}: {remark}"


@pytest.mark.on_demand
@pytest.mark.parametrize("part", [name for name in PARTS if name not in ("recovery", "throughput")])
def test_a_part_is_measured(tmp_path: Path, part: str) -> None:
    if part == "containers":
        find_engine_or_skip()
    _, document = bench(tmp_path, part, "--records", "8000", *SMALL)
    (found,) = document["parts"]
    assert all(value > 0 for row in found["rows"] for value in row["values"])


@pytest.mark.on_demand
def test_an_interrupted_bench_leaves_nothing_behind() -> None:
    running = subprocess.Popen(
        [*COMMAND, "idle"], env=variables(), stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        # What the whole environment says when it is up, after the one of the preparation.
        for line in running.stderr or ():
            if "idle cost, round" in line:
                break
        assert len(BENCH.processes()) > 3
        os.killpg(running.pid, signal.SIGINT)
        running.communicate(timeout=120)
    finally:
        running.kill()
        running.communicate()
    assert running.returncode == 130
    assert BENCH.processes() == []
