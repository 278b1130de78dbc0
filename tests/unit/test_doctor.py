"""What the doctor says of what does not run, on the real machine; and of what is wrong."""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tandem import __version__
from tandem.artifacts.cache import environment_sets
from tandem.artifacts.lock import locked
from tandem.errors import EnvironmentNotReadyError, TandemError
from tandem.pipelines.orders_payments.streams import ORDERS
from tandem.platforms import doctor, provision, rights, service_checks
from tandem.platforms.doctor import Finding, examine
from tandem.platforms.findings import findings as results
from tandem.platforms.service_checks import kafka_rights, skew
from tandem.settings.load import load
from tandem.settings.model import Settings
from tests import ROOT


def settings(state: Path, cache: Path, port: int) -> Settings:
    ports = {"kafka": {"port": port, "controller_port": port + 1}, "mongo": {"port": port + 2}}
    ui = {"spark_port": port + 3, "dashboard_port": port + 4}
    return load("embedded", {**ports, "ui": ui, "state_dir": state, "cache_dir": cache})


def found(settings: Settings, *, running: bool = False) -> dict[str, Finding]:
    return {finding.check: finding for finding in examine(settings, running=running)}


def test_what_makes_no_sense_at_present_is_skipped(tmp_path: Path, many_ports: int) -> None:
    findings = found(settings(tmp_path, tmp_path, many_ports))
    assert (findings["Kafka"].state, findings["Kafka"].value) == ("skipped", "the environment is not running")
    assert findings["MongoDB"].state == "skipped"
    assert findings["jars"].state == "skipped"
    assert findings["ports"].state == "good"


def test_a_busy_port_is_named_with_its_holder_and_its_variable(tmp_path: Path, many_ports: int) -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", many_ports + 4))
        other.listen()
        ports = found(settings(tmp_path, tmp_path, many_ports))["ports"]
    assert ports.state == "bad"
    assert f"{many_ports + 4} is held by process" in ports.value
    assert "TANDEM_UI__DASHBOARD_PORT" in (ports.fix or "")


def test_a_service_that_does_not_answer_is_bad_and_the_others_are_still_checked(
    tmp_path: Path, many_ports: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each of seven checks waits so long.
    monkeypatch.setattr(provision, "LOOK_MS", 200)
    findings = found(settings(tmp_path, tmp_path, many_ports), running=True)
    for check in ("Kafka", "MongoDB"):
        assert findings[check].state == "bad"
        assert "not answer" in findings[check].value
        assert findings[check].fix
    for check in ("Kafka's topics", "Kafka's rights", "record times", "Kafka's clock"):
        assert findings[check] == Finding(check, "skipped", "needs the check 'Kafka', which failed")
    assert findings["MongoDB's clock"].value == "needs the check 'MongoDB', which failed"
    assert findings["disk"].state in ("good", "bad")


def test_a_check_that_fails_keeps_no_other_from_being_made(
    tmp_path: Path, many_ports: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hangs() -> str:
        raise subprocess.TimeoutExpired("mongod --version", 30)

    monkeypatch.setattr(doctor, "find_mongod", hangs)
    findings = found(settings(tmp_path, tmp_path, many_ports))
    assert (findings["mongod"].state, "timed out after 30 seconds" in findings["mongod"].value) == ("bad", True)
    assert findings["mongod"].fix
    assert findings["MongoDB"].state == "skipped"


def test_a_check_is_made_if_the_needed_one_has_found_something_else() -> None:
    def lacks_a_topic() -> str:
        raise TandemError("Kafka lacks a topic", hint="create it")

    def no_kafka() -> str:
        raise EnvironmentNotReadyError("Kafka does not answer", hint="start it")

    def shown(kafka: Callable[[], str]) -> list[tuple[str, str]]:
        return [(each.check, each.state) for each in results({"Kafka": kafka, "Kafka's rights": lambda: "all"})]

    assert shown(lacks_a_topic) == [("Kafka", "bad"), ("Kafka's rights", "good")]
    assert shown(no_kafka) == [("Kafka", "bad"), ("Kafka's rights", "skipped")]


def test_a_jar_that_is_not_the_one_of_the_lock_is_named(tmp_path: Path, many_ports: int) -> None:
    for jar_set in map(locked().__getitem__, environment_sets()):
        place = tmp_path / "jars" / f"{jar_set.name}-{jar_set.digest}"
        place.mkdir(parents=True)
        for jar in jar_set.jars:
            (place / jar.file).write_bytes(b"something else")
    jars = found(settings(tmp_path, tmp_path, many_ports))["jars"]
    assert jars.state == "bad"
    assert "differ from the lock, such as" in jars.value
    assert jars.fix == f"remove {tmp_path / 'jars'}"


def test_a_state_folder_that_kafka_would_misread_is_named(tmp_path: Path, many_ports: int) -> None:
    finding = found(settings(tmp_path / "a,b", tmp_path, many_ports))["state folder"]
    assert (finding.state, "has a comma in its path" in finding.value) == ("bad", True)
    assert found(settings(tmp_path, tmp_path, many_ports))["state folder"].state == "good"


@pytest.mark.parametrize(
    ("gib", "heap", "said", "fix"),
    [
        # As a machine of 8 GB shows it.
        (7.6, None, "7.6 GiB", None),
        (64.0, None, "64.0 GiB", None),
        (
            3.8,
            None,
            "3.8 GiB, but 7.0 are needed: the job's heap may grow to 4.0, and Kafka, MongoDB and the rest take 3",
            'more memory, or a heap for smaller backlogs: TANDEM_SPARK={"spark.driver.memory": "819m"}',
        ),
        (3.0, None, "3.0 GiB, but 7.0 are needed", "use a machine with more memory"),
        (7.6, "12g", "7.6 GiB, but 15.0 are needed", '{"spark.driver.memory": "4710m"}'),
        (3.8, "700m", "3.8 GiB", None),
    ],
)
def test_the_memory_must_hold_the_heap_and_the_services(
    tmp_path: Path,
    many_ports: int,
    monkeypatch: pytest.MonkeyPatch,
    gib: float,
    heap: str | None,
    said: str,
    fix: str | None,
) -> None:
    monkeypatch.setattr(doctor, "machine_memory", lambda: int(gib * 2**30))
    mine = settings(tmp_path, tmp_path, many_ports)
    mine = mine.model_copy(update={"spark": mine.spark | ({"spark.driver.memory": heap} if heap else {})})
    memory = next(finding for finding in examine(mine, running=False) if finding.check == "memory")
    assert (memory.state, memory.value.startswith(said)) == ("bad" if fix else "good", True)
    assert (fix or "") in (memory.fix or "")


def test_a_variable_that_is_missing_in_dotenv_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = (ROOT / ".env").read_text("utf-8").splitlines()
    gone = next(line.split("=")[0] for line in lines if line.startswith("TANDEM_") and "PORT=" in line)
    (tmp_path / ".env").write_text("\n".join(line for line in lines if not line.startswith(f"{gone}=")), "utf-8")
    local = load("local", {"state_dir": tmp_path})
    assert doctor.dotenv(local).startswith("complete")
    monkeypatch.setattr(doctor, "project_folder", lambda: tmp_path)
    with pytest.raises(TandemError, match=f"lacks {gone}"):
        doctor.dotenv(local)


def test_a_wrong_clock_is_reported_with_its_sign() -> None:
    # What was asked for lay between the two readings of our own clock.
    assert skew(100.5, 100.0, 101.0) == "+0.0 s from this machine's"
    assert skew(99.0, 100.0, 101.0) == "-1.0 s from this machine's"
    for theirs, told in ((110.0, r"\+9.0 s"), (90.0, r"-10.0 s")):
        with pytest.raises(TandemError, match=told):
            skew(theirs, 100.0, 101.0)


ORDERS_TOPIC, PAYMENTS_TOPIC = "orders_topic_data_v1", "payments_topic_data_v1"
DEAD_LETTERS = "orders_payments_dead_letter_v1"
ALL_RIGHTS = ("READ", "WRITE", "DESCRIBE")
Rights = Callable[..., Settings]


@pytest.fixture
def user_with(tmp_path: Path, many_ports: int, monkeypatch: pytest.MonkeyPatch) -> Rights:
    """Lets Kafka report the rights on topics; the others have all of them. A number is Kafka's error for a topic."""

    def told(topic: str, rights: Sequence[str] | int | None) -> dict[str, Any]:
        error, operations = (rights, []) if isinstance(rights, int) else (0, rights)
        return {"name": topic, "error_code": error, "authorized_operations": operations}

    def make(**by_topic: Sequence[str] | int | None) -> Settings:
        @contextmanager
        def administrator(*_: object, **__: object) -> Iterator[SimpleNamespace]:
            yield SimpleNamespace(
                describe_topics=lambda topics: [told(topic, by_topic.get(topic, ALL_RIGHTS)) for topic in topics]
            )

        monkeypatch.setattr(rights, "administrator", administrator)
        return settings(tmp_path, tmp_path, many_ports)

    return make


@pytest.mark.parametrize(
    ("topic", "missing", "said"),
    [
        (ORDERS_TOPIC, "WRITE", "control records will be refused"),
        (PAYMENTS_TOPIC, "READ", "the job cannot read its records"),
        (DEAD_LETTERS, "WRITE", "the job stops at the first record that it rejects"),
        (DEAD_LETTERS, "READ", "the job stops when it repeats a batch"),
    ],
)
def test_a_right_that_the_user_lacks_is_named(user_with: Rights, topic: str, missing: str, said: str) -> None:
    environment = user_with(**{topic: [right for right in ALL_RIGHTS if right != missing]})
    with pytest.raises(TandemError, match=rf"has no {missing} right on topic {topic}: {said}[^;]*$") as told:
        kafka_rights(environment)
    assert f"grant the user {missing} on {topic} (" in (told.value.hint or "")
    assert ("or keep the topics' producers sending" in (told.value.hint or "")) == (said.startswith("control"))


def test_the_rights_that_stop_the_job_are_named_first(user_with: Rights) -> None:
    # Kafka's error 29 is a topic that the user may not even describe.
    with pytest.raises(TandemError) as told:
        kafka_rights(user_with(**{ORDERS_TOPIC: ["READ", "DESCRIBE"], DEAD_LETTERS: 29}))
    named = re.findall(r"no (\w+) right on topic (\w+)", str(told.value))
    assert named == [("WRITE", DEAD_LETTERS), ("READ", DEAD_LETTERS), ("WRITE", ORDERS_TOPIC)]


def test_a_missing_topic_and_a_broker_that_does_not_tell_are_passed_over(user_with: Rights) -> None:
    assert kafka_rights(user_with(**{ORDERS_TOPIC: 3, PAYMENTS_TOPIC: None})) == "the job may read and write its topics"


@pytest.mark.parametrize(
    ("bootstrap", "command"),
    [
        (
            "127.0.0.1:9092",
            "kafka-configs --bootstrap-server 127.0.0.1:9092 --alter --entity-type topics --entity-name t ",
        ),
        ("pkc-1.europe-west1.gcp.confluent.cloud:9092", "confluent kafka topic update t --config "),
    ],
)
def test_topics_that_producers_date_get_the_command_that_changes_them(
    monkeypatch: pytest.MonkeyPatch, bootstrap: str, command: str
) -> None:
    monkeypatch.setattr(service_checks, "producer_dated", lambda *_: ["t"])
    own = load("embedded")
    own = own.model_copy(update={"kafka": own.kafka.model_copy(update={"bootstrap": bootstrap})})
    with pytest.raises(TandemError, match="t: message") as caught:
        service_checks.record_times(own)
    assert str(caught.value.hint).startswith(command)
    assert "message.timestamp.type=LogAppendTime" in str(caught.value.hint)


@contextmanager
def administered(*_: object, **__: object) -> Iterator[Any]:
    """A Kafka with three topics; it does not show the settings of the last one."""
    configs = {
        "mine": {"message.timestamp.type": {"value": "LogAppendTime", "config_source": "DYNAMIC_TOPIC_CONFIG"}},
        "theirs": {"message.timestamp.type": {"value": "CreateTime", "config_source": "DEFAULT_CONFIG"}},
        "hidden": {},
    }
    yield SimpleNamespace(
        list_topics=lambda: list(configs),
        describe_configs=lambda asked, **_: {"topic": {each.name: configs[each.name] for each in asked}},
    )


def test_which_topics_producers_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provision, "administrator", administered)
    kafka = load("embedded").kafka

    def asked(*topics: str) -> list[str]:
        return provision.producer_dated(kafka, [replace(ORDERS, topic=topic) for topic in topics])

    assert asked("mine", "theirs", "not created yet") == ["theirs"]
    with pytest.raises(EnvironmentNotReadyError, match="does not show the settings of hidden"):
        asked("mine", "hidden")


def test_the_version_is_the_first_line(tmp_path: Path, many_ports: int) -> None:
    first = next(examine(settings(tmp_path, tmp_path, many_ports), running=False))
    assert (first.check, first.state) == ("Tandem", "good")
    assert first.value.startswith(f"{__version__}, with Python 3.")
