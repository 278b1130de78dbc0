"""Which mongod is taken, and what is said of one that does not start."""

from __future__ import annotations

from pathlib import Path

import pymongo.common
import pytest

from tandem.errors import EnvironmentNotReadyError
from tandem.platforms.doctor import Finding, examine
from tandem.platforms.local_services.mongod import explained, version_of
from tandem.runtimes import runtimes
from tandem.settings.load import load


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A mongod on PATH; what it does when it is asked for its version, a test writes."""
    found = tmp_path / "mongod"
    found.touch(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return found


def is_version(program: Path, version: str) -> None:
    program.write_text(f"#!/bin/sh\necho 'db version v{version}'\necho 'Build Info: {{'\n")


def doctors_finding() -> Finding:
    return next(each for each in examine(load("embedded"), running=False) if each.check == "mongod")


@pytest.mark.parametrize("version", ["4.4.0", "6.0.5", "8.0.15", "8.2.0"])
def test_what_works_is_taken(program: Path, version: str) -> None:
    is_version(program, version)
    assert version_of(program) == version
    assert doctors_finding() == Finding("mongod", "good", f"{version} ({program})")


@pytest.mark.parametrize("version", ["3.6.23", "4.2.24", "9.0.0", "10.0.1"])
def test_another_version_is_refused_with_the_range(program: Path, version: str) -> None:
    is_version(program, version)
    with pytest.raises(EnvironmentNotReadyError, match=f"is MongoDB {version}, and Tandem works with 4.4 to 8") as no:
        version_of(program)
    assert no.value.hint.startswith("install MongoDB 4.4 to 8")
    assert doctors_finding() == Finding("mongod", "bad", str(no.value), no.value.hint)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("kill -ILL $$", "MongoDB 5.0 and newer need AVX"),
        ("echo 'error while loading shared libraries: libcrypto.so.1.1' >&2; exit 127", "libcrypto.so.1.1"),
        ("exit 1", "exit code 1"),
        ("echo something else", "does not print its version"),
    ],
)
def test_one_that_does_not_start_is_named_with_the_reason(program: Path, script: str, words: str) -> None:
    program.write_text(f"#!/bin/sh\n{script}\n")
    with pytest.raises(EnvironmentNotReadyError, match=words):
        version_of(program)


def test_the_oldest_is_no_older_than_the_client_takes() -> None:
    oldest, _ = runtimes().mongodb
    assert oldest == pymongo.common.MIN_SUPPORTED_SERVER_VERSION


@pytest.mark.parametrize(
    ("code", "wrote"),
    [
        (62, ""),
        (
            14,
            "unsupported WiredTiger file version: this build only supports versions up to 3, and the file is version 4",
        ),
        (-6, "UPGRADE PROBLEM: Found an invalid featureCompatibilityVersion document (ERROR: Location4926900"),
    ],
)
def test_data_of_another_version_is_named(code: int, wrote: str) -> None:
    reason = explained(code, wrote, "rehearsal") or ""
    assert "its data is of another MongoDB version" in reason
    # Nothing runs then, so the command needs the profile.
    assert "`tandem --profile rehearsal down --volumes`" in reason


def test_of_another_end_the_log_tells() -> None:
    assert explained(1, "Address already in use", "embedded") is None
