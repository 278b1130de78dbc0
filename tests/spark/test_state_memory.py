"""RocksDB's bound holds under load; without it, RocksDB takes more."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tandem.settings.load import load
from tests import ROOT

STATE = "spark.sql.streaming.stateStore."
BOUND_MIB = 32


@pytest.mark.skipif(shutil.which("java") is None, reason="no java on PATH: Spark needs Java 17 or newer")
def test_rocksdbs_bound_holds_under_load(tmp_path: Path) -> None:
    profile = {name: value for name, value in load("rehearsal").spark.items() if name.startswith(STATE)}
    assert profile[f"{STATE}rocksdb.boundedMemoryUsage"] == "true"
    bounded = filled(tmp_path / "bounded", {**profile, f"{STATE}rocksdb.maxMemoryUsageMB": str(BOUND_MIB)})
    free = filled(tmp_path / "free", {**profile, f"{STATE}rocksdb.boundedMemoryUsage": "false"})
    # The bound is soft, so executors have memory for twice as much.
    assert bounded < 2 * BOUND_MIB
    assert free > 3 * BOUND_MIB


def filled(folder: Path, spark: dict[str, str]) -> float:
    """Returns the most memory that RocksDB has used in a process of its own, in MiB."""
    folder.mkdir()
    settings = json.dumps({**spark, "spark.sql.shuffle.partitions": "4"})
    command = [sys.executable, "-m", "tests.spark.fill_state", str(folder), settings]
    said, log = folder / "said", folder / "log"
    with said.open("wb") as out, log.open("wb") as err:
        process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=err, start_new_session=True)
        try:
            code = process.wait(600)
        finally:
            # Java can hang as it exits, because RocksDB's threads still run.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    assert code == 0, log.read_text()[-4000:]
    return float(said.read_text().splitlines()[-1])
