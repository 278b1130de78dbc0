"""`tandem new --from` on the command line: what it says, and options that do not go together."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests import ROOT
from tests.environment import CLI

PAGE = ROOT / "docs" / "guides" / "from_samples.md"


def tandem(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, "TANDEM_PIPELINES_DIR": str(folder / "pipelines")}
    return subprocess.run([*CLI, *arguments], cwd=folder, env=variables, capture_output=True, text=True, check=False)


def test_it_says_what_it_chose_as_the_page_shows(tmp_path: Path) -> None:
    text = PAGE.read_text("utf-8")
    for name, block in zip(
        ("orders.jsonl", "payments.jsonl"), re.findall(r"```json\n(.*?)```", text, re.DOTALL), strict=True
    ):
        (tmp_path / name).write_text(block, "utf-8")
    done = tandem(tmp_path, "new", "shop", "--from", "orders.jsonl", "--join", "payments.jsonl")
    assert done.returncode == 0, done.stderr
    (shown,) = re.findall(r"```\n(orders, .*?)```", text, re.DOTALL)
    assert done.stderr.startswith(shown)
    assert done.stdout.strip() == str(tmp_path / "pipelines" / "shop")
    assert "exists already" in tandem(tmp_path, "new", "shop", "--from", "orders.jsonl").stderr


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--id", "id"), "need --from"),
        (("--join", "x.jsonl"), "need --from"),
        (("--from", "x.jsonl", "--on", "id"), "need --join"),
        (("--from", "x.jsonl", "--join-id", "id"), "need --join"),
        (("--from", "x.jsonl", "--format", "avro"), "needs an Avro schema"),
        (("--from", "x.jsonl", "--id", "nothing"), "is not a declared field"),
        (("--from", "nothing.jsonl"), "cannot be read"),
    ],
)
def test_options_that_do_not_do_are_refused(options: tuple[str, ...], problem: str, tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"id": "a"}\n')
    done = tandem(tmp_path, "new", "shop", *options)
    assert (done.returncode, problem in done.stderr, done.stdout) == (2, True, ""), done.stderr
    assert not (tmp_path / "pipelines").exists()
