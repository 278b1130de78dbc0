"""A machine and a project where nothing was deployed yet: what deploy needs is checked before it creates anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from tandem.errors import EnvironmentNotReadyError, TandemError
from tandem.platforms import doctor, provision, service_checks
from tandem.platforms.changes import ChangesSoFar
from tandem.platforms.dataproc import deploy
from tandem.platforms.dataproc.deploy import Deployment
from tandem.platforms.dataproc.release import Upload, release
from tandem.platforms.service_checks import Skipped
from tandem.settings.load import load
from tandem.settings.model import Settings
from tandem.verify import topics
from tests.unit.test_cloud_commands import SETTINGS

OURS = ["orders_payments_dead_letter_v1", "orders_topic_data_v1", "payments_topic_data_v1"]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("NOT_SET", "hunter2")
    return load("gcp", {"state_dir": tmp_path, "cache_dir": tmp_path / "cache", "gcp": {"credentials": "none"}})


class Bucket:
    """A bucket that has the named files."""

    def __init__(self, *names: str) -> None:
        self.names = {*names}

    def has(self, upload: Upload) -> bool:
        return upload.name in self.names

    def upload(self, upload: Upload, file: Callable[[], Path]) -> bool:
        file()
        self.names.add(upload.name)
        return True


def refuse_java(*_: object) -> None:
    raise EnvironmentNotReadyError("Java 17 or newer is needed", hint="install one")


@pytest.fixture
def created(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a deployment creates, after all checks; it ends when it has created topics."""
    made: list[str] = []

    def create(*_: object) -> None:
        made.append("topics")
        raise TandemError("that is enough", hint="")

    monkeypatch.setattr(Deployment, "check", lambda _: None)
    monkeypatch.setattr(Deployment, "doubt", lambda _: None)
    monkeypatch.setattr(deploy, "find_java", refuse_java)
    monkeypatch.setattr(deploy, "create_topics", create)
    return made


def deploy_to(settings: Settings, bucket: Any) -> None:
    deployment = Deployment(settings)
    deployment.bucket = bucket
    deployment.deploy(ChangesSoFar())


def test_without_java_nothing_is_created(settings: Settings, created: list[str]) -> None:
    bucket = Bucket()
    with pytest.raises(EnvironmentNotReadyError, match="Java 17"):
        deploy_to(settings, bucket)
    assert (created, bucket.names) == ([], set())


def test_jars_that_were_uploaded_need_no_java(settings: Settings, created: list[str]) -> None:
    with pytest.raises(TandemError, match="that is enough"):
        deploy_to(settings, Bucket(*(jar.name for jar in release(settings).jars)))
    assert created == ["topics"]


def test_the_doctor_checks_what_a_deployment_needs_here(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "find_java", refuse_java)
    java, spark, jars = islice(doctor.examine(settings, running=False), 1, 4)
    assert (java.check, java.state, java.fix) == ("Java", "bad", "install one")
    assert (spark.check, spark.state) == ("Spark", "good")
    assert (jars.check, jars.state) == ("jars", "skipped")
    assert jars.value == "spark: not downloaded yet; the first start or deployment downloads it"


class Broker:
    """A broker with the named topics; it refuses to create others if it is told to."""

    def __init__(self, *names: str) -> None:
        self.names, self.refuses = names, False

    def describe_cluster(self) -> dict[str, list[int]]:
        return {"brokers": [1, 2, 3]}

    def list_topics(self) -> list[str]:
        return list(self.names)

    def create_topics(self, _: object, *, validate_only: bool) -> None:
        assert validate_only
        if self.refuses:
            raise provision.AuthorizationError("no CREATE")

    def describe_configs(self, asked: list[Any], **_: object) -> dict[str, Any]:
        assert {each.name for each in asked} <= {*self.names}, "Kafka reports an error for a topic that it has not"
        return {"topic": {each.name: {"cleanup.policy": {"value": "delete"}} for each in asked}}


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    found = Broker()

    @contextmanager
    def client(*_: object, **__: object) -> Iterator[Broker]:
        yield found

    monkeypatch.setattr(provision, "new_client", client)
    monkeypatch.setattr(topics, "new_client", client)
    return found


def test_topics_that_deploy_creates_are_no_problem(settings: Settings, broker: Broker) -> None:
    assert service_checks.kafka(settings) == f"127.0.0.1:29949, 3 brokers; deploy creates {', '.join(OURS)}"
    with pytest.raises(Skipped, match="deploy creates the topics"):
        service_checks.uncompacted(settings)
    broker.names = (OURS[1],)
    assert service_checks.kafka(settings).endswith(f"; deploy creates {OURS[0]}, {OURS[2]}")
    assert service_checks.uncompacted(settings) == "none is compacted"
    broker.names = (*OURS,)
    assert service_checks.kafka(settings) == "127.0.0.1:29949, 3 brokers, all topics"


def test_topics_that_deploy_may_not_create_are_a_problem(settings: Settings, broker: Broker) -> None:
    broker.refuses = True
    with pytest.raises(EnvironmentNotReadyError, match="does not let it create one") as told:
        service_checks.kafka(settings)
    assert "ACLs" in told.value.hint


@pytest.mark.usefixtures("broker")
def test_on_a_laptop_a_missing_topic_is_a_problem() -> None:
    with pytest.raises(TandemError, match="lacks the topic orders_payments_dead_letter_v1") as told:
        service_checks.kafka(load("embedded"))
    assert "tandem up" in told.value.hint
