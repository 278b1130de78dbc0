"""A pipeline in a notebook and a shell: they see what the job has seen, by the engine's own functions."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tandem.scaffold import write
from tests import ROOT, STATE
from tests.environment import Environment

NOTEBOOK = ROOT / "docs" / "guides" / "notebook.ipynb"


@pytest.fixture(scope="module")
def filled() -> Iterator[Environment]:
    with Environment(STATE / "notebook", 29780).started() as environment:
        # None too late: what the job writes is then what the batch makes.
        environment.tandem("produce", "--count", "2000", "--mix", "late=0", "--close")
        environment.tandem("verify")
        yield environment


def python(code: str, environment: Environment, **variables: str) -> subprocess.CompletedProcess[str]:
    """Returns the finished program: a process has one Java, so each session gets a process."""
    return subprocess.run(
        [sys.executable, "-c", code],
        env=environment.variables | variables,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_example_notebook_runs_and_agrees_with_the_job(filled: Environment, tmp_path: Path) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": tmp_path}})
    client.execute(env=filled.variables)
    shown = "\n".join(
        str(output.get("text", output.get("data"))) for cell in notebook.cells for output in cell.get("outputs", ())
    )
    assert "<pipeline orders_payments in profile embedded: streams orders, payments; outputs" in shown
    facts = json.loads(filled.tandem("verify", "--json").stdout)["streams"]["payments"]["matched"]
    assert f"{facts} stored, 0 missing, 0 too many" in shown


COUNTS = """
import json, tandem
with tandem.session() as session:
    print(json.dumps({name: [session.records(name).count(), session.events(name).count(),
                             dict(session.rejected(name).groupBy("error").count().collect())]
                      for name in session.streams}))
"""


def test_every_record_is_an_event_or_rejected_or_control(filled: Environment) -> None:
    done = python(COUNTS, filled)
    assert done.returncode == 0, done.stderr
    streams = json.loads(filled.tandem("verify", "--json").stdout)["streams"]
    for name, (records, events, rejected) in json.loads(done.stdout).items():
        told: dict[str, Any] = streams[name]
        assert records == told["consumed"]
        assert sum(rejected.values()) == told["dead"] > 0
        assert events == told["consumed"] - told["dead"] - told["control"]


RELOADED = """
import tandem
session = tandem.session()
file = session.settings.location.file("transform")
good = file.read_text()
made = session.spark.createDataFrame([("a",)], "request_id string")
for version in ("first", "second"):
    file.write_text(good + f'''

@F.udf("string")
def tell(value):
    return "{version} " + value
''')
    session.reload()
    tell = session.pipeline.transform.__globals__["tell"]
    print(made.select(tell("request_id")).first()[0])
file.write_text(good.replace("def answered(", "def answered["))
try:
    session.reload()
except tandem.errors.UsageError as error:
    print(error)
"""


def test_a_session_goes_on_with_what_was_saved(filled: Environment, tmp_path: Path) -> None:
    """Python functions, too, which run in workers that live on."""
    own = write("parcels", tmp_path / "pipelines")
    done = python(RELOADED, filled, TANDEM_PIPELINE="parcels", TANDEM_PIPELINES_DIR=str(own.folder.parent))
    assert done.returncode == 0, done.stderr
    first, second, wrong = done.stdout.splitlines()
    assert (first, second) == ("first a", "second a")
    assert wrong.startswith(f"{own.file('transform')}:")
    assert "SyntaxError" in wrong


def test_the_shell_has_a_session(filled: Environment) -> None:
    typed = 'print("counted", session.events("orders").count() > 2000)\nsession.events("nothing")\n'
    done = subprocess.run(
        [sys.executable, "-m", "tandem", "shell"],
        input=typed,
        env=filled.variables,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "counted True" in done.stdout
    said = done.stdout + done.stderr
    assert "error: there is no stream 'nothing'\nhint: choose one of: orders, payments" in said
    assert "Traceback" not in said


@pytest.mark.on_demand
def test_a_missing_service_or_output_is_reported_in_one_line(filled: Environment) -> None:
    nowhere = {"TANDEM_KAFKA__PORT": "29799", "TANDEM_MONGO__PORT": "29798"}
    code = """
import tandem
from tandem.errors import TandemError
session = tandem.session()
for ask in (lambda: session.events("orders"), lambda: session.stored("x"), lambda: session.output("x")):
    try:
        ask()
    except TandemError as error:
        print(error, "|", error.hint)
"""
    done = python(code, filled, **nowhere)
    kafka, mongo, output = done.stdout.splitlines()
    assert kafka.startswith("Kafka at 127.0.0.1:29799 does not answer")
    assert mongo.startswith("MongoDB at mongodb://127.0.0.1:29798/")
    assert output.startswith("there is no output 'x' | choose one of: orders_data_process_fact")
