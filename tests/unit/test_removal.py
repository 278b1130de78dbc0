"""What `tandem destroy --data` deletes, and what it says before and after."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tandem.catalog import PipelineLocation, declared_by
from tandem.cli.app import app
from tandem.engine.declare.stream import REPLAY_COLLECTION
from tandem.errors import TandemError
from tandem.platforms import removal
from tandem.platforms.dataproc import job as cloud_job
from tandem.platforms.dataproc.job import DataprocJob
from tandem.scaffold import write
from tandem.scaffold.chosen import Choice, choose
from tandem.scaffold.infer.observed import Sample
from tandem.scaffold.render.parts import stream_code
from tandem.scaffold.sources.samples import Samples, described_by_samples
from tandem.settings.load import load
from tests.unit.test_cloud_commands import SETTINGS

OWN = ["shop_dead_letter_v1", "shop_requests_v1"]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PipelineLocation:
    """A pipeline that reads a topic of another program besides its own."""
    monkeypatch.chdir(tmp_path)
    for name, value in {**SETTINGS, "TANDEM_PIPELINES_DIR": str(tmp_path / "removal_pipelines")}.items():
        monkeypatch.setenv(name, value)
    location = write("shop", tmp_path / "removal_pipelines")
    streams = location.file("streams")
    text = streams.read_text("utf-8")
    assert 'name="responses",' in text
    streams.write_text(text.replace('name="responses",', 'name="responses",\n    external=True,'), "utf-8")
    return location


class Kafka:
    """Has the topics of the pipeline and another one."""

    def __init__(self) -> None:
        self.topics = {*OWN, "shop_responses_v1", "others"}

    def __enter__(self) -> Kafka:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def list_topics(self) -> list[str]:
        return sorted(self.topics)

    def delete_topics(self, topics: list[str]) -> None:
        self.topics -= set(topics)


def test_topics_of_other_programs_are_kept(shop: PipelineLocation, monkeypatch: pytest.MonkeyPatch) -> None:
    kafka = Kafka()
    monkeypatch.setattr(removal, "administrator", lambda *_: kafka)
    assert removal.remove_topics(load("embedded").kafka, shop) == OWN
    assert kafka.topics == {"shop_responses_v1", "others"}


class Mongo:
    """A database in memory: the rows of each collection."""

    def __init__(self, collections: dict[str, list[dict[str, Any]]]) -> None:
        self.collections = collections

    def __enter__(self) -> Mongo:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __getitem__(self, name: str) -> Any:
        rows = self.collections.get(name, [])
        return SimpleNamespace(
            find=lambda query: [each for each in rows if query.items() <= each.items()],
            find_one=lambda: next(iter(rows), None),
            delete_many=lambda _: rows.clear(),
        )

    def list_collection_names(self) -> list[str]:
        return sorted(self.collections)

    def drop_collection(self, name: str) -> None:
        self.collections.pop(name, None)


def test_a_set_whose_name_another_pipeline_uses_is_kept(
    shop: PipelineLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other pipeline may be newer than the set, and has written its documents there."""
    replayed = {"pipeline": "shop", "into": "v2"}
    there = {name: [{"_id": "a"}] for name in ("shop_answered", "shop_answered_v2", "shop_unanswered_v2", "others")}
    mongo = Mongo({**there, REPLAY_COLLECTION: [replayed]})
    monkeypatch.setattr(removal, "database_of", lambda *_: mongo)
    streams = write("market", shop.folder.parent).file("streams")
    text = streams.read_text("utf-8")
    assert text.count('"market_answered"') == 1
    streams.write_text(text.replace('"market_answered"', '"shop_answered_v2"'), "utf-8")
    settings = load("embedded")
    removed = removal.remove_collections(settings.mongo, shop, settings.pipelines_dir)
    assert removed == ["shop_answered", "shop_unanswered_v2"]
    assert sorted(mongo.collections) == ["others", "shop_answered_v2"]


def test_a_stream_of_an_existing_topic_is_external() -> None:
    records = [Sample(str(number), {"id": f"a{number}", "at": "2023-11-14T22:00:00Z"}) for number in range(3)]
    for topic in ("theirs", None):
        described = described_by_samples("records", "orders", Samples(records, ""), topic)
        chosen = choose(described, Choice(), "shop", 1_800_000_000_000)
        assert chosen.stream.external is (topic is not None)
        assert ("name='external=', value='True'" in str(stream_code(chosen))) is (topic is not None)


def destroy(*options: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(app, ("--profile", "gcp", "destroy", "--data", *options), input=answer)


def test_the_question_names_what_would_be_deleted(shop: PipelineLocation) -> None:
    asked = destroy("--pipeline", "shop", answer="n\n").stderr
    assert f"the topics {', '.join(OWN)} in 127.0.0.1:29949" in asked
    collections = ", ".join(sorted(each.name for each in declared_by(shop).collections))
    assert f"the collections {collections} of shop in mongodb://127.0.0.1:29949/" in asked
    assert "gs://some-bucket/tandem/shop/" in asked
    assert "shop_responses_v1" not in asked


@pytest.mark.parametrize("pipelines", ["shop", "shop,orders_payments"])
def test_what_was_deleted_before_a_failure_is_named(
    shop: PipelineLocation, monkeypatch: pytest.MonkeyPatch, pipelines: str
) -> None:
    def forget(job: DataprocJob) -> Iterator[str]:
        if job.settings.pipeline != "shop":
            raise TandemError("no answer", hint="")
        yield "2 objects in gs://some-bucket"
        if pipelines == "shop":
            raise TandemError("no answer", hint="")

    monkeypatch.setattr(DataprocJob, "stop", lambda _: True)
    monkeypatch.setattr(DataprocJob, "forget", forget)
    done = destroy("--pipeline", pipelines, "--yes")
    assert isinstance(done.exception, TandemError)
    assert "deleted 2 objects in gs://some-bucket" in done.stderr.splitlines()
    assert "destroyed" not in done.stderr


def test_a_cloud_job_names_each_deletion(shop: PipelineLocation, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> Any:
        raise TandemError("MongoDB did not remove the collections", hint="")

    job = DataprocJob(load("gcp", {"pipeline": "shop"}))
    monkeypatch.setitem(job.__dict__, "deployment", SimpleNamespace(bucket=SimpleNamespace(remove_all=lambda: 2)))
    monkeypatch.setattr(cloud_job, "remove_topics", lambda *_: OWN)
    monkeypatch.setattr(cloud_job, "remove_collections", refuse)
    parts = job.forget()
    assert [next(parts), next(parts)] == ["2 objects in gs://some-bucket", f"the topics {', '.join(OWN)}"]
    with pytest.raises(TandemError, match="did not remove"):
        next(parts)
