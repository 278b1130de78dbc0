"""What a clone needs on a machine whose git, or whose umask, is set up in another way."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tandem.errors import EnvironmentNotReadyError
from tandem.platforms.compose.mounts import check_mounts
from tests import ROOT
from tests.clone import clone_into

NOBODY = 65534


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    return clone_into(tmp_path / "clone")


def test_every_clone_has_the_line_endings_that_programs_in_containers_read(clone: Path) -> None:
    shown = subprocess.run(["git", "ls-files", "--eol"], cwd=clone, capture_output=True, text=True, check=True)
    assert [line for line in shown.stdout.splitlines() if "w/crlf" in line or "w/mixed" in line] == []
    assert b"\r" not in (clone / "compose" / "kafka" / "start.sh").read_bytes()
    # Nothing would be committed anew because of these rules.
    subprocess.run(["git", "add", "--renormalize", "."], cwd=clone, check=True)
    assert not subprocess.run(["git", "status", "--porcelain"], cwd=clone, capture_output=True, check=True).stdout


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere Docker shows every file as the container's own")
def test_files_that_containers_cannot_read_are_named_with_the_command_that_fixes_all(clone: Path) -> None:
    with pytest.raises(EnvironmentNotReadyError, match="is not readable for the containers") as caught:
        check_mounts(clone, clone / "pipelines", clone / "tandem.toml")
    subprocess.run(["bash", "-c", caught.value.hint], check=True)
    check_mounts(clone, clone / "pipelines", clone / "tandem.toml")
    (clone / "tandem.toml").chmod(0o600)
    with pytest.raises(EnvironmentNotReadyError, match=r"tandem\.toml is not readable"):
        check_mounts(clone, clone / "pipelines", clone / "tandem.toml")
    (clone / "tandem.toml").unlink()
    with pytest.raises(EnvironmentNotReadyError, match=r"tandem\.toml is missing") as missing:
        check_mounts(clone, clone / "pipelines", clone / "tandem.toml")
    subprocess.run(["bash", "-c", missing.value.hint], umask=0o022, check=True)
    # One of the user's own, and one whose owner is the containers' user.
    new = clone / "pipelines" / "new.py"
    new.touch(0o600)
    with pytest.raises(EnvironmentNotReadyError, match=r"new\.py is not readable"):
        check_mounts(clone, clone / "pipelines", clone / "tandem.toml")
    new.chmod(0o604)
    check_mounts(clone, clone / "pipelines", clone / "tandem.toml")


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that every user may enter."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_a_container_says_what_it_cannot_read(public: Path) -> None:
    """As another user than the owner, or as the owner of what has no permission at all."""
    text = (ROOT / "compose" / "base.yml").read_text("utf-8")
    script = text.partition("      - |\n")[2].partition("      - tandem\n")[0].replace("$$", "$")
    command = ["bash", "-c", script.replace("/etc/tandem", str(public / "mounted")), "tandem"]
    options = {"user": NOBODY, "group": NOBODY, "extra_groups": ()} if os.geteuid() == 0 else {}

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run([*command, "echo", "it", "runs"], capture_output=True, text=True, check=False, **options)

    assert run().stdout == "it runs\n"
    mounted = public / "mounted"
    mounted.mkdir()
    (mounted / "health.sh").touch()
    (mounted / "health.sh").chmod(0)
    assert f"error: {mounted}/health.sh is not readable by uid " in run().stderr
    mounted.chmod(0)
    told = run()
    assert (told.returncode, told.stdout) == (1, "")
    assert f"error: {mounted} is not readable by uid " in told.stderr
    assert "chmod -R go+rX src compose pipelines tandem.toml" in told.stderr
    mounted.chmod(0o755)
    (mounted / "health.sh").chmod(0o644)
    assert run().stdout == "it runs\n"
