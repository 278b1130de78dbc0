"""The smallest pipeline of docs/guides/small.md: each part of Tandem finds in it what it needs."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tandem.cli.app import app
from tandem.dashboard.declaration import declared
from tandem.engine.run.pipeline_loader import load_pipeline
from tandem.errors import UsageError
from tandem.job_files import RECONCILE, REPLAY, STREAM, submitted
from tandem.platforms.conflicts import check_conflicts
from tandem.platforms.provision import indexes_of, streams_of
from tandem.producer.lookup import lookups_of
from tandem.producer.record_plan import Plan
from tandem.producer.sample import sample
from tandem.settings.load import load
from tandem.settings.model import Settings
from tests.readme import ROOT


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Of the pipeline as the page has it, in a folder of its own."""
    page = (ROOT / "docs" / "guides" / "small.md").read_text("utf-8")
    own = tmp_path / "small_pipelines"
    for name, code in zip(("transform", "generator"), re.findall(r"```python\n(.*?)```", page, re.DOTALL), strict=True):
        file = own / "large_orders" / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(code.replace("pipelines.large", "small_pipelines.large"), "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    settings = load("embedded", {"pipeline": "large_orders", "pipelines_dir": own})
    yield settings
    settings.location.forget()


def test_one_file_is_a_pipeline(settings: Settings) -> None:
    place = settings.location
    (stream,), dead_letter_topic = streams_of(place)
    assert (stream.topic, dead_letter_topic) == ("orders_v1", "large_orders_dead_letter_v1")
    assert (settings.mongo.database, list(indexes_of(place))) == ("large_orders", ["large_orders"])
    assert load_pipeline(place.package).name == "large_orders"
    view = declared(place).view
    assert (view.results.name, view.key, view.event_times) == ("large_orders", "order_id", ("ordered_at",))
    assert [column.field for column in view.columns] == ["_id", "order_id", "ordered_at", "amount"]


def test_the_engines_files_are_submitted_for_it(settings: Settings) -> None:
    for entry, name in ((STREAM, "job.py"), (RECONCILE, "batch.py"), (REPLAY, "batch.py")):
        what = submitted(settings.location, entry)
        assert what.file.parts[-2:] == ("submitted", name)
        assert what.command(Path("/conf"))[1:] == (
            *("--pipeline", "small_pipelines.large_orders"),
            *("--config", "/conf/job.json"),
        )
        done = subprocess.run([sys.executable, what.file, "--help"], capture_output=True, text=True, check=True)
        assert "--pipeline PACKAGE" in done.stdout


def test_it_sends_sample_records(settings: Settings) -> None:
    plan = Plan(seed=1, count=1000, start=Plan.settled_start())
    (stream,), _ = streams_of(settings.location)
    records = list(sample(plan, stream, settings.location.module("generator").events))
    assert len(records) > 1000
    assert lookups_of(settings.location) == {}


def test_without_an_oracle_a_run_sends_nothing(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANDEM_PIPELINES_DIR", str(settings.pipelines_dir))
    monkeypatch.setenv("TANDEM_STATE_DIR", str(settings.pipelines_dir.parent / "state"))
    run = ("--profile", "embedded", "--pipeline", "large_orders", "run")
    error = CliRunner().invoke(app, run).exception
    assert isinstance(error, UsageError)
    assert str(error).endswith("oracle.py")
    assert not (settings.pipelines_dir.parent / "state").exists()


def test_it_writes_where_no_other_does(settings: Settings) -> None:
    check_conflicts([settings, load("embedded")])


def test_programs_without_spark_can_read_it(settings: Settings) -> None:
    own = settings.location.folder.parent
    code = (
        "import sys; sys.modules['pyspark'] = None; from pathlib import Path;"
        "from tandem.catalog import declared_by, find;"
        f"print(declared_by(find('large_orders', Path({str(own)!r}))).streams[0].topic)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "orders_v1\n", done.stderr
