"""Versions of the pipeline, as somebody has them who changes it in a folder of his own."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from tandem.catalog import BUNDLED
from tests.environment import Environment

NAME = "orders_payments"


def changed(deployed: Environment, folder: Path, file: str, before: str, after: str) -> Environment:
    """Returns the environment as one sees it whose own pipeline has a change."""
    own = folder / "pipelines"
    shutil.copytree(BUNDLED / NAME, own / NAME, ignore=shutil.ignore_patterns("__pycache__"))
    for source in (own / NAME).glob("*.py"):
        text = source.read_text().replace(f"tandem.pipelines.{NAME}", f"pipelines.{NAME}")
        if source.name == file:
            assert before in text
            text = text.replace(before, after)
        source.write_text(text)
    return replace(deployed, extra=(*deployed.extra, ("TANDEM_PIPELINES_DIR", str(own))))


def assert_refused(deployed: Environment, version: Environment, code: int, said: str) -> None:
    """Fails unless the version is refused in one line with a hint, and the job runs on."""
    before = deployed.status()["job"]["pid_or_id"]
    done = version.tandem("submit", code=code)
    # Between them, lines tell how long the check has taken.
    first, *_, error, hint = done.stderr.splitlines()
    assert first.startswith("tandem: profile rehearsal")
    assert said in error, done.stderr
    assert hint.startswith("hint: ")
    status = deployed.status()
    assert (status["ready"], status["job"]["pid_or_id"]) == (True, before)
