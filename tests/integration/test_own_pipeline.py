"""A pipeline of one's own, outside of Tandem: what is wrong in its files is told where it is, and mended."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import KafkaAdminClient
from pymongo import MongoClient

from tandem.kafka_python import new_client
from tandem.scaffold import write
from tests import STATE
from tests.environment import Environment


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return write("parcels", tmp_path / "pipelines").folder


@pytest.fixture
def environment(own: Path) -> Iterator[Environment]:
    extra = (
        ("TANDEM_PIPELINE", "parcels"),
        ("TANDEM_PIPELINES_DIR", str(own.parent)),
        # However slow the machine: no topic counts as quiet between two commands, or its watermark would be now.
        ("TANDEM_JOB__IDLE_TIMEOUT_SECONDS", "600"),
    )
    found = Environment(STATE / "own", 29770, extra)
    with found.cleared():
        yield found


@pytest.fixture
def developing(environment: Environment) -> Iterator[subprocess.Popen[str]]:
    """`tandem dev`, which does not end by itself."""
    with environment.start("dev", "parcels") as found:
        yield found
        found.kill()


def spoiled(file: Path, good: str, bad: str) -> str:
    """Returns the place of what is wrong now."""
    text = file.read_text()
    assert text.count(good) == 1
    file.write_text(text.replace(good, bad))
    return f"{file}:{text[: text.index(good)].count(chr(10)) + 1}"


def trigger(environment: Environment) -> float:
    """Returns what the driver was started with."""
    told = json.loads((environment.home / "embedded" / "conf" / "job.json").read_text())
    return float(told["trigger_seconds"])


def test_an_error_is_reported_with_its_line_and_can_be_fixed(own: Path, environment: Environment) -> None:
    transform = own / "transform.py"
    good = transform.read_text()
    place = spoiled(transform, "def unanswered(joined: DataFrame)", "def unanswered(joined: DataFrame")
    assert f"error: {place}: SyntaxError" in environment.tandem("up", code=2).stderr
    transform.write_text(good)

    place = spoiled(
        transform, "within_seconds=timeout_seconds,\n    )", 'within_seconds=timeout_seconds,\n    ).where("servise")'
    )
    done = environment.tandem("up", "--wait", code=3)
    assert "transform.py" in done.stderr
    assert "AnalysisException" in done.stderr
    assert "Traceback" not in done.stderr
    assert "AnalysisException" in environment.status()["problem"]
    transform.write_text(good)
    environment.tandem("submit")
    # The second set begins where the first one will take the watermark, whether the job has read that or not.
    environment.tandem("produce", "--count", "500", "--mix", "late=0")
    environment.tandem("produce", "--count", "500", "--mix", "late=0", "--close")
    assert json.loads(environment.tandem("verify", "--json").stdout)["total"]["late"] == 0

    # What the files declare now is created, also beside a job that runs.
    streams = own / "streams.py"
    letters, indexes = '"parcels_dead_letter_v1"', '(("request_id",), ("kind",))'
    declared = streams.read_text()
    assert (declared.count(letters), declared.count(indexes)) == (1, 1)
    changed = declared.replace(letters, '"parcels_dead_letter_v2"')
    streams.write_text(changed.replace(indexes, '(("request_id",), ("kind",), ("responded_at",))'))
    environment.tandem("up")
    with new_client(KafkaAdminClient, bootstrap_servers=environment.bootstrap) as admin:
        assert "parcels_dead_letter_v2" in admin.list_topics()
    with MongoClient(f"mongodb://127.0.0.1:{environment.first_port + 2}/?directConnection=true") as client:
        assert "responded_at_1" in client["parcels"]["parcels_unanswered"].index_information()

    # But the job keeps to the topic of its checkpoint.
    environment.tandem("submit", code=None)
    kept = 'dead_letter_topic is "parcels_dead_letter_v2", but the checkpoint was begun with "parcels_dead_letter_v1"'
    environment.wait("the reason", lambda: kept in (environment.status()["problem"] or ""))
    streams.write_text(declared.replace(indexes, '(("request_id",), ("kind",), ("responded_at",))'))
    environment.tandem("submit")

    # A saved setting holds from the next start of the job on.
    settings = own / "settings.toml"
    settings.write_text(
        settings.read_text().replace("[job.parameters]", "[job]\ntrigger_seconds = 0.5\n[job.parameters]")
    )
    assert "the job was started with other settings" in environment.tandem("up").stderr
    assert trigger(environment) == 0

    # A job that runs is not stopped for one that cannot start.
    running = environment.status()["job"]["pid_or_id"]
    place = spoiled(transform, '"duration_ms"', '"duration_ms')
    assert f"error: {place}: SyntaxError" in environment.tandem("submit", code=2).stderr
    assert environment.status()["job"]["pid_or_id"] == running
    transform.write_text(good)

    # Documents that are not as declared are refused.
    spoiled(transform, '"service",\n        "status",', '"status",')
    environment.tandem("submit", code=None)
    missing = "parcels_answered has no field service"
    environment.wait("the reason", lambda: missing in (environment.status()["problem"] or ""))
    transform.write_text(good)

    # What the transform and the oracle do not agree on is named.
    spoiled(transform, '"service",\n        "status",', 'F.lit("other").alias("service"),\n        "status",')
    environment.tandem("submit")
    assert trigger(environment) == 0.5
    environment.tandem("produce", "--count", "100", "--close")
    assert "wrong in parcels_answered" in environment.tandem("verify", code=1).stdout


def test_dev_goes_on_with_what_was_saved(
    own: Path, environment: Environment, developing: subprocess.Popen[str]
) -> None:
    transform = own / "transform.py"
    good = transform.read_text()
    lines: list[str] = []
    assert developing.stdout is not None
    reader = threading.Thread(target=lines.extend, args=(developing.stdout,), daemon=True)
    reader.start()

    def said(text: str) -> None:
        environment.wait(text, lambda: any(text in line for line in lines), 240)
        lines.clear()

    said("watching")
    driver = environment.status()["job"]["pid_or_id"]
    for version in ("second", "third"):
        transform.write_text(
            good.replace('"service",\n        "status",', f'F.lit("{version}").alias("service"),\n"status",')
        )
        said("transform.py: reloaded in")
        environment.tandem("produce", "--count", "100", "--close")
        with MongoClient(f"mongodb://127.0.0.1:{environment.first_port + 2}/?directConnection=true") as client:
            answered = client["parcels"]["parcels_answered"]
            environment.wait(version, lambda: answered.find_one({"service": version}))  # noqa: B023
    transform.write_text(good.replace("def answered(", "def answered["))
    said("SyntaxError")
    transform.write_text(good.replace('"duration_ms"', '"duration_ms", F.col("nowhere")'))
    said("transform.py:")
    transform.write_text(good)
    said("transform.py: reloaded in")
    # It has committed, and is ready again whenever it has committed what came since.
    environment.wait("ready", lambda: environment.status()["ready"])
    assert environment.status()["job"]["pid_or_id"] == driver
    # Settings are for a new driver.
    settings = own / "settings.toml"
    good = settings.read_text()
    settings.write_text(f"{good}[job")
    said("settings.toml: error: ")
    settings.write_text(good.replace("[job.parameters]", "[job]\ntrigger_seconds = 0.5\n[job.parameters]"))
    said("settings.toml: reloaded in")
    assert environment.status()["job"]["pid_or_id"] != driver
    assert trigger(environment) == 0.5
    developing.send_signal(signal.SIGINT)
    assert developing.wait(30) == 130
    reader.join(30)
    assert environment.status()["job"]["state"] == "running"
