"""Documents of users and of other programs that Python's parsers do not take."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tandem.checkout import RECORD
from tandem.errors import UsageError
from tandem.parsing import parse_json, read_toml
from tandem.scaffold.upgrade import changes
from tandem.schema_registry.subjects import is_same
from tandem.settings.imported import planned
from tandem.settings.load import load

DIGITS = "1" * 5000
DEEP_JSON = ["[" * 20_000, "[" * 900 + "]" * 900, '{"a":' * 900 + "1" + "}" * 900, f'{{"a": {DIGITS}}}']
DEEP_TOML = ["x = " + "[" * 3000, f"x = {'[' * 200}{']' * 200}", f"[{'.'.join('a' * 900)}]", f"x = {DIGITS}"]
REASON = "nested too deep|a number has too many digits"


@pytest.mark.parametrize("text", DEEP_JSON)
def test_json_that_is_too_deep_or_has_a_number_too_long_is_a_wrong_value(text: str) -> None:
    with pytest.raises(ValueError, match=REASON):
        parse_json(text)


def test_other_json_is_read_or_refused_as_python_does() -> None:
    nested: Any = json.loads("[" * 50 + "]" * 50)
    assert parse_json("[" * 50 + "]" * 50) == nested
    with pytest.raises(json.JSONDecodeError):
        parse_json("{")


@pytest.mark.parametrize("text", DEEP_TOML)
def test_a_pipelines_settings_are_refused_by_their_file(text: str, tmp_path: Path) -> None:
    folder = tmp_path / "pipelines" / "own"
    folder.mkdir(parents=True)
    (folder / "streams.py").touch()
    (folder / "settings.toml").write_text(text)
    with pytest.raises(UsageError, match=rf"settings\.toml: ({REASON})"):
        load("embedded", {"pipeline": "own", "pipelines_dir": tmp_path / "pipelines"})


@pytest.mark.parametrize("text", DEEP_TOML)
def test_a_file_of_profiles_is_refused_by_its_name(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tandem.toml").write_text(text)
    with pytest.raises(UsageError, match=rf"tandem\.toml: ({REASON})"):
        load("embedded")


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "settings.toml"
    folder.mkdir()
    with pytest.raises(UsageError, match=r"settings\.toml cannot be read: Is a directory"):
        read_toml(folder, "it is a TOML file")
    assert read_toml(tmp_path / "none.toml", "it is a TOML file") == {}


@pytest.mark.parametrize("text", [*DEEP_JSON, '{"a":' * 20_000])
def test_a_variable_of_json_is_refused_by_its_name(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANDEM_SPARK", text)
    with pytest.raises(UsageError, match="TANDEM_SPARK in the environment must be a JSON object"):
        load("embedded")


@pytest.mark.parametrize("text", DEEP_JSON)
def test_an_output_to_import_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"the output is not JSON that can be read: ({REASON})"):
        planned(text, tmp_path / "tandem.toml", ("gcp",))


@pytest.mark.parametrize("text", [*DEEP_JSON, json.dumps({"name": "a", "version": DIGITS, "files": {}})])
def test_a_projects_record_is_refused_by_its_file(text: str, tmp_path: Path) -> None:
    (tmp_path / RECORD).write_text(text)
    with pytest.raises(UsageError, match="is not a record of `tandem init`"):
        changes(tmp_path)


def test_a_registrys_deep_answer_is_not_the_frozen_schema() -> None:
    assert not is_same("AVRO", "[" * 20_000, "[]")
    assert is_same("AVRO", '{"a": 1}', '{"a":1}')
