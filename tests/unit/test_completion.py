"""Completion in a shell: commands, options, profiles and pipelines."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tandem.cli.completion import pipeline_names, profile_names

TANDEM = Path(sys.executable).with_name("tandem")


def complete(folder: Path, *words: str) -> list[str]:
    """Returns what Bash would offer for the last word."""
    variables = {"_TANDEM_COMPLETE": "complete_bash", "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    done = subprocess.run(
        [TANDEM], cwd=folder, env={**os.environ, **variables}, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_commands_and_their_options_are_completed(tmp_path: Path) -> None:
    assert complete(tmp_path, "tandem", "pr") == ["produce", "profile"]
    assert complete(tmp_path, "tandem", "produce", "--cou") == ["--count"]


def test_profiles_are_completed_with_those_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "tandem.toml").write_text('[profile.lab]\nlike = "embedded"\n')
    assert complete(tmp_path, "tandem", "--profile", "l") == ["local", "lab"]


def test_the_last_of_several_pipelines_is_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert pipeline_names("orders_p") == ["orders_payments"]
    assert pipeline_names("orders_payments,seg") == ["orders_payments,segment_revenue"]
    # One that is chosen already is not offered again.
    assert pipeline_names("orders_payments,orders_p") == []


def test_a_wrong_file_offers_nothing_and_prints_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tandem.toml").write_text("profile =")
    assert complete(tmp_path, "tandem", "--profile", "l") == []
    monkeypatch.chdir(tmp_path)
    assert profile_names("l") == []


def test_bash_loads_the_script(tmp_path: Path) -> None:
    bash = shutil.which("bash")
    assert bash
    script = f'eval "$({TANDEM} --show-completion bash)"; complete -p tandem'
    done = subprocess.run([bash, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "_tandem_completion tandem" in done.stdout
