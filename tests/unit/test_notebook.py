"""The door to notebooks, as far as it goes without Java: what it costs who does not use it, and how its errors look."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell

import tandem
from tandem.errors import EnvironmentNotReadyError, UsageError
from tandem.notebook.spark import start_spark
from tandem.settings.load import load
from tests import ROOT


def test_tandem_alone_imports_nothing_of_tandem() -> None:
    code = "import sys, tandem; print([name for name in sys.modules if name.startswith(('tandem.', 'pyspark'))])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_an_error_is_a_line_and_a_hint_in_a_notebook(capsys: pytest.CaptureFixture[str]) -> None:
    shell = InteractiveShell.instance()
    try:
        shell.run_cell("import tandem\ntandem.session(profile='nowhere')")
    finally:
        InteractiveShell.clear_instance()
    assert capsys.readouterr().out == (
        "error: there is no profile 'nowhere'\nhint: choose one of: embedded, gcp, local, rehearsal\n"
    )


def test_what_a_session_needs_is_said_before_anything_starts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentNotReadyError, match="Java 17 or newer is needed"):
        tandem.session(profile="embedded")
    with pytest.raises(UsageError, match="no pipeline 'nothing'"):
        tandem.session(profile="embedded", pipeline="nothing")


def test_the_example_is_kept_without_what_it_printed() -> None:
    notebook = nbformat.read(ROOT / "docs" / "guides" / "notebook.ipynb", as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code
    assert all(not cell.outputs and cell.execution_count is None for cell in code)


def test_a_process_that_uses_spark_connect_gets_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARK_CONNECT_MODE_ENABLED", "1")
    with pytest.raises(UsageError, match="uses Spark Connect") as caught:
        start_spark(load("embedded", {"state_dir": tmp_path}), tmp_path)
    assert "unset SPARK_CONNECT_MODE_ENABLED" in caught.value.hint
