"""`tandem new`: what it writes is complete, clean and consistent before anything is changed."""

from __future__ import annotations

import errno
import importlib
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tandem.catalog import PipelineLocation, find, names
from tandem.errors import TandemError, UsageError
from tandem.producer.record_plan import Plan
from tandem.producer.sample import sample
from tandem.scaffold import Format, write
from tandem.scaffold.pipeline_folder import create
from tandem.settings.load import load
from tandem.verify.reference import Accepted, Dead, Validator
from tests import ROOT


@pytest.fixture(scope="module", params=Format)
def own(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a new pipeline; a package of another name than a user's, for modules are imported once."""
    folder = tmp_path_factory.mktemp("project") / f"own_{request.param}_pipelines"
    write("parcels", folder, request.param)
    return folder


def module(own: Path, name: str) -> Any:
    return find("parcels", own).module(name)


def run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", *command], cwd=cwd, capture_output=True, text=True, check=False)


def test_it_is_found_beside_those_that_come_with_tandem(own: Path) -> None:
    assert {"parcels", "orders_payments"} <= set(names(own))
    settings = load("embedded", {"pipeline": "parcels", "pipelines_dir": own})
    assert settings.mongo.database == "parcels"
    assert settings.job.parameters == {"timeout_seconds": 600}
    assert settings.location.file("transform").is_file()


def test_nothing_of_the_example_is_left_and_all_is_clean(own: Path) -> None:
    texts = [path.read_text() for path in (own / "parcels").rglob("*.*") if path.suffix in (".py", ".avsc", ".toml")]
    assert not [text for text in texts if "example" in text or "scaffold" in text]
    settings = f"src=['{own.parent}', '{ROOT}/src']"
    done = run("ruff", "check", "--config", str(ROOT / "pyproject.toml"), "--config", settings, ".", cwd=own)
    assert done.returncode == 0, done.stdout
    assert run("ruff", "format", "--check", "--config", str(ROOT / "pyproject.toml"), ".", cwd=own).returncode == 0


def test_its_own_tests_find_it(own: Path) -> None:
    done = run("pytest", "-q", "-p", "no:cacheprovider", "-k", "expected", "parcels", cwd=own)
    assert done.returncode == 0, done.stdout


def test_the_formats_differ_in_how_streams_are_declared_and_nowhere_else(tmp_path: Path) -> None:
    plain = write("parcels", tmp_path / "plain" / "same_pipelines").folder
    avro = write("parcels", tmp_path / "avro" / "same_pipelines", Format.AVRO).folder
    texts = [
        {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*.*") if path.is_file()}
        for folder in (plain, avro)
    ]
    differing = {name for name in texts[0] | texts[1] if texts[0].get(name) != texts[1].get(name)}
    assert differing == {"streams.py", "schemas/requests.v1.avsc", "schemas/responses.v1.avsc"}
    added = set(texts[1]["streams.py"].splitlines()) - set(texts[0]["streams.py"].splitlines())
    assert added == {
        "from tandem.pipeline import Avro, Collection, Column, DocumentType, FieldType, Stream, Tally, View",
        '    format=Avro.of(__package__, "requests"),',
        '    format=Avro.of(__package__, "responses"),',
    }


@pytest.mark.parametrize("stream", ["requests", "responses"])
def test_the_sample_is_what_it_says(own: Path, stream: str) -> None:
    plan = Plan(seed=7, count=5000, start=Plan.settled_start())
    declared, events = getattr(module(own, "streams"), stream.upper()), module(own, "generator").events
    records = list(sample(plan, declared, events))
    assert records == list(sample(plan, declared, events))
    kinds = Counter(record.kind.partition(":")[0] for record in records)
    # Only responses are dated early or arrive late.
    of_responses = {"early", "late"} if stream == "responses" else set()
    assert kinds.keys() == {"valid", "repeat", "unmatched", "malformed"} | of_responses
    validate = Validator(declared, max_clock_skew_seconds=0)
    sent_ms = plan.start_ms + plan.span_ms + 3_600_000
    for record in records:
        found = validate(record.key, record.value, sent_ms)
        assert isinstance(found, Dead if record.kind.startswith("malformed") else Accepted), record


def test_both_streams_agree_in_real_time_too(own: Path) -> None:
    events = module(own, "generator").events
    plan = Plan(seed=1, count=200, start=Plan.settled_start(), rate=10)
    requests, responses = (list(sample(plan, stream, events)) for stream in module(own, "streams").STREAMS)
    dues = [record.due for record in responses]
    assert dues == sorted(dues)
    paired = ("valid", "early", "late")
    answered = {record.id.removeprefix("response-") for record in responses if record.kind in paired}
    assert answered == {record.id.removeprefix("request-") for record in requests if record.kind in paired}


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Parcels", "not a valid name"),
        ("9x", "not a valid name"),
        ("a-b", "not a valid name"),
        ("class", "not a valid name"),
        ("admin", "a database of MongoDB's own"),
        ("local", "a database of MongoDB's own"),
        ("config", "a database of MongoDB's own"),
        ("orders_payments", "comes with"),
    ],
)
def test_a_name_that_does_not_do(own: Path, name: str, why: str) -> None:
    before = sorted(own.rglob("*"))
    with pytest.raises(UsageError, match=why):
        write(name, own)
    assert sorted(own.rglob("*")) == before


def test_nothing_is_overwritten(own: Path) -> None:
    with pytest.raises(UsageError, match="exists already"):
        write("parcels", own)


def test_what_cannot_be_written_as_a_whole_is_not_there_in_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    own = tmp_path / "full_pipelines"
    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(TandemError, match="cannot be written: No space left on device"):
        write("parcels", own, Format.AVRO)
    assert "parcels" not in names(own)
    monkeypatch.undo()
    write("parcels", own, Format.AVRO)


def test_a_folder_that_another_command_creates_meanwhile_stays(tmp_path: Path) -> None:
    own = tmp_path / "shared_pipelines"

    def files(location: PipelineLocation) -> dict[str, str]:
        location.folder.mkdir(parents=True)
        (location.folder / "streams.py").write_text("mine")
        return {"streams.py": "other"}

    with pytest.raises(UsageError, match="exists already"):
        create("parcels", own, files)
    assert (own / "parcels" / "streams.py").read_text() == "mine"


def test_a_folder_that_can_be_no_package(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a valid name for a Python package"):
        write("parcels", tmp_path / "my-pipelines")


def test_a_folder_of_the_same_name_where_one_works_is_not_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = tmp_path / "here" / "twin_pipelines", tmp_path / "there" / "twin_pipelines"
    write("parcels", here)
    place = write("letters", there)
    monkeypatch.chdir(here.parent)
    monkeypatch.syspath_prepend(str(here.parent))
    importlib.import_module("twin_pipelines")
    assert place.module("transform").PIPELINE.name == "letters"
    (there / "__init__.py").unlink()
    del sys.modules["twin_pipelines"]
    place.forget()
    assert place.module("transform").PIPELINE.name == "letters"


def test_an_error_in_the_users_file_is_reported_with_its_line(tmp_path: Path) -> None:
    own = tmp_path / "wrong_pipelines"
    place = write("parcels", own)
    file = place.file("streams")
    file.write_text(file.read_text().replace("FieldType.INTEGER", "FieldType.NUMBER"))
    line = file.read_text()[: file.read_text().index("NUMBER")].count("\n") + 1
    with pytest.raises(UsageError, match=rf"streams\.py:{line}: AttributeError"):
        place.module("oracle")
    place.file("transform").write_text("PIPELINE = (\n")
    with pytest.raises(UsageError, match=r"transform\.py:1: SyntaxError"):
        place.module("transform")
    place.file("generator").unlink()
    with pytest.raises(UsageError, match=r"has no .*generator\.py"):
        place.module("generator")
