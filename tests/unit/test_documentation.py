"""The documentation's pages, compared with the code that they describe."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import types
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from prometheus_client import generate_latest
from prometheus_client.core import Metric
from typer.main import get_command

from tandem import documentation
from tandem.catalog import find
from tandem.cli.app import app
from tandem.cli.context import CommandContext
from tandem.cli.execution import print_error
from tandem.cli.main import INTERRUPTED
from tandem.dashboard.declaration import declared
from tandem.dashboard.prometheus import registry
from tandem.dashboard.state import Account, Batch, PipelineState
from tandem.engine.declare.job_config import FAILED, MUST_NOT_GO_ON
from tandem.engine.declare.kind import Declared
from tandem.engine.declare.stream import (
    BATCH_COLLECTION,
    JOB_COLLECTION,
    PROGRESS_COLLECTION,
    REPLAY_COLLECTION,
    SUPERSEDED_COLLECTION,
    DeadLetterError,
    Stream,
)
from tandem.errors import EnvironmentNotReadyError, TandemError, UsageError
from tandem.exporter import kafka_metrics, mongo_metrics
from tandem.exporter.collector import Services
from tandem.pipeline import Collection, FieldType, Lookup
from tandem.pipelines.orders_payments import streams as orders_payments
from tandem.pipelines.segment_revenue import streams as segment_revenue
from tandem.pipelines.shipped_orders import streams as shipped_orders
from tandem.producer.send import SENT_RECORDS
from tandem.verify.report import Kind
from tests import ROOT
from tests.distribution import added_files
from tests.readme import commands_of

DOCS = ROOT / "docs"
# What names pages of the documentation: sources, and the files beside them.
SOURCES = [
    *(file for folder in ("src", "tests", "scripts", "compose", "images") for file in (ROOT / folder).rglob("*")),
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "pyproject.toml", "tandem.toml", ".env")),
]
# The header of the tables about changes in CONTRIBUTING.md.
CHANGES = "| question | open first | then | tests |"
_FILE = re.compile(r"[\w/.-]*(?:\.(?:py|js|toml|yml|md|env)|/)")
_PATH = re.compile(r"\bdocs/[\w/-]+\.(?:md|ipynb|svg|png)(?:#[\w-]+)?")


def anchors_of(page: Path) -> set[str]:
    """Returns the anchors that MkDocs gives a page's headings."""
    titles = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[\s]+", "-", re.sub(r"[^\w\s-]", "", title).strip().lower()) for title in titles}


def wrong_paths(text: str) -> list[str]:
    """Returns the paths of the documentation that a text names and that do not exist."""
    wrong = []
    for found in _PATH.findall(text):
        path, _, anchor = found.partition("#")
        page = ROOT / path
        if not page.is_file() or (anchor and anchor not in anchors_of(page)):
            wrong.append(found)
    return wrong


def table(page: str, header: str) -> list[list[str]]:
    """Returns the rows of all tables of a page that have this header."""
    rows: list[list[str]] = []
    inside = False
    for line in (DOCS / page).read_text("utf-8").splitlines():
        if line == header:
            inside = True
        elif not line.startswith("|"):
            inside = False
        elif inside and not line.startswith("|---"):
            rows.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    return rows


def names_in(cells: list[str]) -> list[str]:
    """Returns what stands in code at the beginning of each cell."""
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


def missing_files(row: list[str]) -> list[str]:
    """Returns the files that a row about a change names and that do not exist."""
    _, first, others, tests = row
    (opened,) = names_in([first])
    source = ROOT / "src" / "tandem"
    missing = [] if (source / opened).is_file() or (ROOT / opened).is_file() else [opened]
    places = (source, ROOT, (source / opened).parent)
    named = filter(_FILE.fullmatch, names_in([others]))
    missing += [name for name in named if not any((place / name).exists() for place in places)]
    return missing + [name for name in names_in([tests]) if not (ROOT / "tests" / name).is_file()]


def hook(name: str) -> types.ModuleType:
    """Returns a hook of MkDocs, which is in no package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_path_of_the_documentation_exists() -> None:
    named = 0
    for file in SOURCES:
        if file.is_file() and file.suffix in (".py", ".md", ".toml", ".yml", ".sh", ".js", ".html", ""):
            text = file.read_text("utf-8", "replace")
            # The check itself names paths that do not exist.
            if file != Path(__file__):
                assert wrong_paths(text) == [], file
                named += len(_PATH.findall(text))
    assert named > 10


def test_a_path_that_does_not_exist_is_found() -> None:
    assert wrong_paths("see docs/none.md, docs/guides/recovery.md") == ["docs/none.md"]
    named = "docs/guides/recovery.md#start-with-a-new-checkpoint docs/guides/recovery.md#none"
    assert wrong_paths(named) == ["docs/guides/recovery.md#none"]


@pytest.mark.parametrize("folder", ["guides", "reference", "results", "decisions"])
def test_each_page_begins_with_what_it_is_for(folder: str) -> None:
    pages = [page for page in (DOCS / folder).glob("*.md") if not re.match(r"\d{4}-", page.name)]
    assert pages
    for page in pages:
        _, _, first, *_ = page.read_text("utf-8").splitlines()
        assert first.startswith(("After this page you", "This page ")), page


def test_the_decisions_are_listed_and_have_one_form() -> None:
    index = (DOCS / "decisions" / "index.md").read_text("utf-8")
    records = sorted(page.name for page in (DOCS / "decisions").glob("0*.md"))
    assert sorted(re.findall(r"\((\d{4}-[\w-]+\.md)\)", index)) == records
    for number, name in enumerate(records, 1):
        text = (DOCS / "decisions" / name).read_text("utf-8")
        assert text.startswith(f"# {number}. ")
        assert re.findall(r"^\*\*(\w+)\.\*\*", text, re.MULTILINE) == ["Context", "Decision", "Consequences", "Code"]


def test_code_that_decisions_name_exists() -> None:
    for page in (DOCS / "decisions").glob("0*.md"):
        code = page.read_text("utf-8").rpartition("**Code.**")[2]
        for path in re.findall(r"`([^`]+)`", code):
            assert (ROOT / "src" / "tandem" / path).exists() or (ROOT / path).exists(), f"{page.name}: {path}"


def test_files_that_contributing_names_exist() -> None:
    rows = table("../CONTRIBUTING.md", CHANGES)
    assert len(rows) > 20
    assert [name for row in rows for name in missing_files(row)] == []


def test_a_file_that_contributing_names_and_that_does_not_exist_is_found() -> None:
    then = "`_read`, `load.py`, `job_files.py`, `compose/job.yml` and `none.py`; `verify/`, `none/`"
    row = ["Why?", "`settings/model.py`", then, "`unit/test_settings.py`, `unit/test_none.py`"]
    assert missing_files(row) == ["none.py", "none/", "unit/test_none.py"]
    assert missing_files(["Why?", "`none.py`", "", ""]) == ["none.py"]


def commands(group: Any, path: str = "tandem") -> Iterator[tuple[str, Any]]:
    """Yields the path and the declaration of each command."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def missing_in(text: str, group: Any) -> list[str]:
    """Returns the commands and options that a reference lacks."""
    sections = dict(re.findall(r"^### (.+)\n((?:(?!^##).*\n?)*)", text, re.MULTILINE))
    missing = []
    for path, command in commands(group):
        own = sections.get(path)
        if own is None:
            missing.append(path)
            continue
        for each in command.params:
            shared = each.rich_help_panel == "Shared options"
            names = [each.name.upper()] if each.param_type_name == "argument" else [*each.opts, *each.secondary_opts]
            missing += [f"{path} {name}" for name in names if f"`{name}`" not in (text if shared else own)]
    return missing


def test_the_reference_has_every_command_and_option() -> None:
    page = (DOCS / "reference" / "cli.md").read_text("utf-8")
    cli = hook("docs_cli")
    assert cli.MARKER in page
    assert missing_in(cli.on_page_markdown(page), get_command(app)) == []
    # Pages without the marker stay as they are.
    assert cli.on_page_markdown("# Text") == "# Text"


def test_a_command_or_option_that_the_reference_lacks_is_found() -> None:
    text = hook("docs_cli").reference(get_command(app))
    other = typer.Typer(name="tandem")

    @other.command()
    def down(unknown: Annotated[bool, typer.Option("--unknown")] = False) -> None: ...

    @other.command()
    def invented() -> None: ...

    assert missing_in(text, get_command(other)) == ["tandem down --unknown", "tandem invented"]


def test_the_errors_are_those_of_the_code() -> None:
    page = "reference/errors.md"
    assert names_in([row[0] for row in table(page, "| error | the record |")]) == [*DeadLetterError]
    assert [row[0] for row in table("glossary.md", "| row | meaning |")] == [*Kind]
    codes = [int(row[0]) for row in table(page, "| code | meaning |")]
    own = [0, TandemError.exit_code, UsageError.exit_code, EnvironmentNotReadyError.exit_code, INTERRUPTED]
    assert codes == own
    assert [int(row[0]) for row in table(page, "| code | meaning | restarted |")] == [0, FAILED, MUST_NOT_GO_ON]


def of_services() -> list[Metric]:
    """Returns the metrics of Kafka and MongoDB, and of an exporter without services."""
    cache = ("bytes currently in the cache", "tracked dirty bytes in the cache", "maximum bytes configured")
    status = {
        "opcounters": {},
        "connections": {"current": 0, "available": 0},
        "mem": {"resident": 0},
        "wiredTiger": {"cache": dict.fromkeys(cache, 0)},
    }
    kafka = (*kafka_metrics.brokers({"brokers": []}), *kafka_metrics.partitions([]), *kafka_metrics.log_folders([]))
    mongo = (
        *mongo_metrics.server(status),
        mongo_metrics.databases({"databases": []}),
        *mongo_metrics.disk({"fsTotalSize": 0, "fsUsedSize": 0}),
    )
    return [*kafka, *mongo, *Services({}).collect()]


def test_the_metrics_are_those_that_are_exported() -> None:
    declaration = declared(find("orders_payments", Path("pipelines")))
    state = PipelineState()
    state.account = Account(0.0, 0, 0, 0, {}, waiting=False, sound=True)
    state.batches.append(Batch(number=1, at=0.0, rows=0, phases={"addBatch": 1}, state_events=0, state_bytes=0))
    exported = re.findall(
        r"^# TYPE (\w+) (\w+)$", generate_latest(registry(lambda: [(state, declaration)])).decode(), re.M
    )
    exported += [(f"{each.name}_total" if each.type == "counter" else each.name, each.type) for each in of_services()]
    exported.append((f"{SENT_RECORDS.describe()[0].name}_total", "counter"))
    documented = [(row[0].strip("`"), row[1]) for row in table("reference/metrics.md", "| metric | type | meaning |")]
    assert sorted(documented) == sorted(exported)


def fields_in(cell: str) -> dict[str, str]:
    """Returns the fields of a cell and the names of their types."""
    return dict(re.findall(r"`(\w+)` ([A-Z_]+(?: optional| default)?)", cell))


def of_stream(stream: Stream) -> dict[str, str]:
    """Returns a stream's fields and the names of their types."""
    named = [(name, kind) for name, kind in vars(FieldType).items() if isinstance(kind, Declared)]

    def name_of(kind: Declared) -> str:
        plain = replace(kind, is_optional=False, fallback=None)
        name = next((name for name, each in named if each == plain), type(kind).__name__.upper())
        return f"{name} {'optional' if kind.fallback is None else 'default'}" if kind.is_optional else name

    return {name: name_of(kind) for name, kind in stream.fields.items()}


def of_collection(fields: Mapping[str, Any]) -> dict[str, str]:
    """Returns a collection's fields and the names of their types."""
    names = {FieldType.STRING: "STRING", FieldType.TIMESTAMP: "TIMESTAMP"}
    return {name: names.get(kind) or kind.name for name, kind in fields.items()}


def test_topics_and_collections_are_those_that_are_declared() -> None:
    page = "reference/collections.md"
    topics = {row[0].strip("`"): row[1:] for row in table(page, "| topic | stream | fields | event time | identity |")}
    bundled = (orders_payments, segment_revenue, shipped_orders)
    letters = {each.DEAD_LETTER_TOPIC for each in bundled}
    streams: dict[str, Stream] = {stream.topic: stream for each in bundled for stream in each.STREAMS}
    assert set(topics) == set(streams) | letters
    for topic, stream in streams.items():
        name, fields, event_time, identity = topics[topic]
        assert (name, fields_in(fields)) == (stream.name, of_stream(stream))
        assert (event_time, identity) == (f"`{stream.event_time}`", f"`{stream.identity}`")
    collections: list[Collection | Lookup] = [
        *orders_payments.COLLECTIONS,
        *segment_revenue.COLLECTIONS,
        *segment_revenue.LOOKUPS,
        *shipped_orders.COLLECTIONS,
    ]
    rows = {
        names_in(row[:1])[0]: row[1:] for row in table(page, "| collection | `_id` | fields | indexes besides `_id` |")
    }
    assert list(rows) == [each.name if isinstance(each, Collection) else each.collection for each in collections]
    for each, (_, fields, indexes) in zip(collections, rows.values(), strict=True):
        assert fields_in(fields) == of_collection(each.fields)
        assert [tuple(index.split(", ")) for index in names_in([indexes])] == [*each.indexes]
    own = [PROGRESS_COLLECTION, JOB_COLLECTION, SUPERSEDED_COLLECTION, BATCH_COLLECTION, REPLAY_COLLECTION]
    assert names_in([row[0] for row in table(page, "| collection | content |")]) == own


def letter_of(value: bytes | None, error: str, offset: int, own: list[tuple[str, bytes | None]]) -> Any:
    """Returns a dead letter as a client reads it."""
    added = {
        "source_topic": "orders_topic_data_v1",
        "source_partition": "3",
        "source_offset": str(offset),
        "source_timestamp": "0",
        "error": error,
    }
    headers = [*own, *((name, text.encode()) for name, text in added.items()), ("detail", None)]
    return types.SimpleNamespace(value=value, headers=headers)


@pytest.mark.parametrize("login", [True, False], ids=["login", "plain"])
def test_the_program_that_replays_dead_letters_sends_what_can_be_corrected(
    login: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", (DOCS / "guides" / "late_records.md").read_text("utf-8"), re.DOTALL)
    sent: list[dict[str, Any]] = []
    confirmed: list[float] = []
    own = [("error", b"the record's own"), ("source_topic", None), ("trace", b"\xff\x00")]
    text = b'{"order_id": "a", "amount": "5"}'
    letters = [
        letter_of(text, "wrong_type", 7, own),
        letter_of(b"{", "not_json", 8, own),
        letter_of(None, "empty_value", 9, []),
        # Rejected for another field: to send it unchanged would never end.
        letter_of(b'{"order_id": 1, "amount": 5}', "wrong_type", 10, []),
        letter_of(b'{"order_id": "a", "amount": "five"}', "wrong_type", 11, []),
        # Kafka has deleted the record.
        letter_of(text, "wrong_type", 2, own),
    ]
    source = TopicPartition("orders_topic_data_v1", 3)

    class Consumer:
        def __init__(self, *topics: str, **options: Any) -> None:
            assert topics in ((orders_payments.DEAD_LETTER_TOPIC,), ())
            check(options, KafkaConsumer.DEFAULT_CONFIG)

        def __iter__(self) -> Iterator[Any]:
            return iter(letters)

        def assign(self, partitions: list[TopicPartition]) -> None:
            assert partitions == [source]

        def seek(self, partition: TopicPartition, offset: int) -> None:
            assert partition == source
            self.offset = max(offset, 5)

        def poll(self, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[Any]]:
            assert (timeout_ms > 0, max_records) == (True, 1)
            return {source: [types.SimpleNamespace(offset=self.offset, key=b"\xfe")]}

    class Sent:
        def get(self, timeout: float) -> None:
            confirmed.append(timeout)

    class Producer:
        def __init__(self, **options: Any) -> None:
            check(options, KafkaProducer.DEFAULT_CONFIG)

        def send(self, topic: str, **record: Any) -> Sent:
            sent.append({"topic": topic, **record})
            return Sent()

    def check(options: dict[str, Any], known: dict[str, Any]) -> None:
        assert set(options) <= set(known)
        assert options["bootstrap_servers"] == ("cloud:9092" if login else "127.0.0.1:19092")
        assert options.get("security_protocol") == ("SASL_SSL" if login else None)
        assert options.get("sasl_plain_password") == ("secret" if login else None)

    for name, value in {"BOOTSTRAP": "cloud:9092", "USERNAME": "key", "PASSWORD": "secret"}.items():
        if login:
            monkeypatch.setenv(f"KAFKA_{name}", value)
        else:
            monkeypatch.delenv(f"KAFKA_{name}", raising=False)
    monkeypatch.setattr("kafka.KafkaConsumer", Consumer)
    monkeypatch.setattr("kafka.KafkaProducer", Producer)
    exec(program, {})
    corrected = b'{"order_id": "a", "amount": 5}'
    assert sent == [{"topic": source.topic, "value": corrected, "key": b"\xfe", "headers": own, "partition": 3}]
    assert len(confirmed) == 1
    assert "orders_topic_data_v1-3-2: not sent" in capsys.readouterr().out


def test_the_commands_about_settings_work(tmp_path: Path) -> None:
    found = commands_of("guides/settings.md")
    assert len(found) == 2
    for command in found:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=tmp_path,
            env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(tmp_path), "COLUMNS": "200"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "kafka.port" in done.stdout
    assert re.search(r"kafka\.port +29092 +the environment|kafka\.port +29092 +TANDEM", done.stdout), done.stdout


def test_an_installed_tandem_names_pages_as_it_has_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "see docs/guides/recovery.md#start-with-a-new-checkpoint, and my/docs/x.md"
    assert documentation.located(text) == text
    monkeypatch.setattr(documentation, "checkout", lambda: None)
    # As in a container, which has the source alone.
    assert documentation.located(text) == text
    monkeypatch.setattr(documentation, "PACKAGED", tmp_path)
    assert documentation.located(text) == text.replace("see docs", f"see {documentation.PACKAGED}")
    for file in ("src/tandem/cli/new.py", "src/tandem/engine/spark/failure.py", "src/tandem/platforms/rights.py"):
        pages = [found.partition("#")[0] for found in _PATH.findall((ROOT / file).read_text("utf-8"))]
        assert pages
        # The wheel has the folder beside the module.
        assert {str(Path("tandem") / page) for page in pages} <= added_files().keys()


def test_an_installed_tandem_prints_pages_as_it_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(documentation, "checkout", lambda: None)
    monkeypatch.setattr(documentation, "PACKAGED", tmp_path)
    CommandContext().say("docs/guides/ci.md lists them")
    print_error(UsageError("wrong", hint="see docs/guides/gcp.md"))
    shown = capsys.readouterr().err
    assert f"{documentation.PACKAGED}/guides/ci.md lists" in shown
    assert f"hint: see {documentation.PACKAGED}/guides/gcp.md" in shown
