"""The JSON Schema of tandem.toml accepts what Tandem accepts, and is the file of the documentation."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tandem.settings.editor_schema import json_schema
from tandem.settings.own_profiles import NOT_SET, read
from tandem.settings.profiles import packaged_names
from tandem.settings.sources import fields
from tests import ROOT

FILE = ROOT / "docs" / "reference" / "tandem.schema.json"
GUIDE = (ROOT / "docs" / "guides" / "profiles.md").read_text("utf-8")


def check(folder: Path, text: str) -> str:
    """Returns what is wrong with a tandem.toml; nothing if it is valid."""
    file = folder / "tandem.toml"
    file.write_text(text)
    command = [
        sys.executable,
        "-m",
        "check_jsonschema",
        "--output-format",
        "json",
        "--schemafile",
        str(FILE),
        str(file),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    problems: list[dict[str, str]] = json.loads(done.stdout)["errors"]
    assert bool(done.returncode) == bool(problems), done.stdout + done.stderr
    return "; ".join(f"{problem['path']}: {problem['message']}" for problem in problems)


def test_the_file_is_current() -> None:
    """`tandem config schema > docs/reference/tandem.schema.json` writes it."""
    done = subprocess.run(
        [sys.executable, "-m", "tandem", "config", "schema"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout == FILE.read_text("utf-8")


def test_the_schema_has_every_setting_with_its_description() -> None:
    schema = json_schema(packaged_names())
    (profile,) = schema["properties"]["profile"]["patternProperties"].values()
    for path, _ in fields():
        properties = profile["properties"]
        if path[0] in NOT_SET:
            assert path[0] not in properties
            continue
        if len(path) == 2:
            reference = properties[path[0]]["$ref"]
            properties = schema["$defs"][reference.removeprefix("#/$defs/")]["properties"]
        assert path[-1] in properties, path
    assert profile["properties"]["cache_dir"] == {"format": "path", "type": "string"}
    assert profile["properties"]["protected"]["description"].startswith("Whether commands that lose data")


@pytest.mark.parametrize("text", re.findall(r"```toml\n(.+?)```", GUIDE, re.DOTALL))
def test_the_examples_of_the_documentation_are_valid(tmp_path: Path, text: str) -> None:
    assert check(tmp_path, text) == ""


def test_valid_values_of_checked_settings_are_accepted(tmp_path: Path) -> None:
    text = """[profile.a]
like = "gcp"
[profile.a.kafka]
password = "env:KAFKA_PASSWORD"
job_password = "gsm:projects/p/secrets/s"
[profile.a.mongo]
uri = "mongodb+srv://cluster.example.net/?w=majority"
password = "file:secrets/mongo"
[profile.a.registry]
url = "https://registry.example.net"
[profile.a.gcp]
workers = 0
[profile.a.spark]
"spark.driver.memory" = "4G"
"spark.executor.instances" = "3"
"spark.sql.shuffle.partitions" = "8"
"""
    assert check(tmp_path, text) == ""
    assert read(tmp_path / "tandem.toml", packaged_names())


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[profile.a]\nlike = "gcp"\nbackend = "compose"', "backend"),
        ('[profile.a]\nlike = "gcp"\n[profile.a.kafka]\nprot = 1', "prot"),
        ('[profile.a]\nlike = "gcp"\nport_offset = 0', "port_offset"),
        ("[profile.a]\nprotected = true", "like"),
        *[(f'[profile.{name}]\nlike = "gcp"', name) for name in ("local", "gcp", "bench", "results")],
        ('[profile.a]\nlike = "gcp"\n[profile.a.kafka]\npassword = "hunter2"', "password"),
        ('[profile.a]\nlike = "gcp"\n[profile.a.kafka]\njob_password = "gsm:hunter2"', "job_password"),
        ('[profile.a]\nlike = "gcp"\n[profile.a.mongo]\nuri = "mongodb://u:p@h"', "uri"),
        ('[profile.a]\nlike = "gcp"\n[profile.a.registry]\nurl = "https://u:p@h"', "url"),
        ('[profile.a]\nlike = "gcp"\n[profile.a.gcp]\nworkers = 1', "workers"),
        ('[profile.a]\nlike = "gcp"\n[profile.a.spark]\n"spark.driver.memory" = "4"', "spark.driver.memory"),
        ('[profile.A_B]\nlike = "gcp"', "A_B"),
        ('[profiles.a]\nlike = "gcp"', "profiles"),
    ],
)
def test_a_wrong_file_is_found(tmp_path: Path, text: str, problem: str) -> None:
    assert problem in check(tmp_path, text)
