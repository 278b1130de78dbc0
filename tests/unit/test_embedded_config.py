import json
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import islice, pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tandem.engine.declare.avro_schema import JAVA_LIMITS
from tandem.engine.declare.job_config import JobConfig
from tandem.errors import EnvironmentNotReadyError, UsageError
from tandem.local_spark import heap as heap_module
from tandem.local_spark.class_archive import ClassArchive
from tandem.local_spark.folder_names import check_folder_names
from tandem.local_spark.heap import heap_mib, machine_memory, start_options
from tandem.local_spark.java import Java, child_environment, find_java, major_version
from tandem.local_spark.local_spark import LocalSpark, configure
from tandem.platforms import environment_for
from tandem.platforms.local_services import kafka, mongod
from tandem.platforms.local_services.dashboard import Dashboard
from tandem.platforms.local_services.layout import Layout
from tandem.platforms.local_services.prepare import Tools, prepare
from tandem.runtimes import runtimes
from tandem.settings.load import load
from tandem.settings.model import Settings
from tandem.supervision import logs
from tandem.supervision.logs import error_summary, merged


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    ports = {"kafka": {"port": 1111, "controller_port": 1112}, "mongo": {"port": 1113}, "ui": {"spark_port": 1114}}
    return load("embedded", {**ports, "state_dir": tmp_path})


@pytest.fixture
def layout(settings: Settings) -> Layout:
    layout = Layout(settings.home)
    layout.create()
    return layout


def pairs(text: str, separator: str) -> dict[str, str]:
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return dict(line.split(separator, 1) for line in lines)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("output", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('openjdk version "25" 2025-09-16', 25),
        ('java version "1.8.0_402"', 8),
        ('openjdk version "26-ea" 2026-03-17', 26),
        ("The operation couldn't be completed. Unable to locate a Java Runtime.", None),
    ],
)
def test_java_version(output: str, version: int | None) -> None:
    assert major_version(output) == version


def test_an_old_java_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho '    java.home = /old' >&2\necho 'openjdk version \"11.0.2\"' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(EnvironmentNotReadyError, match=r"Java 17 or newer .* JAVA_HOME has Java 11 .* none on PATH"):
        find_java(tmp_path, 17)


def test_java_home_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", "/somewhere")
    assert load("embedded").java_home == Path("/somewhere")
    monkeypatch.setenv("JAVA_HOME", "")
    assert load("embedded").java_home is None


def test_the_broker_listens_on_loopback_only(settings: Settings, layout: Layout) -> None:
    properties = pairs(kafka.properties(settings, layout), "=")
    assert properties["listeners"] == "BROKER://127.0.0.1:1111,CONTROLLER://127.0.0.1:1112"
    assert properties["auto.create.topics.enable"] == "false"
    assert properties["log.message.timestamp.type"] == "LogAppendTime"
    assert properties["log.dirs"] == str(layout.kafka)
    assert "{" not in "".join(properties.values())


def test_mongod_is_a_replica_set_on_loopback(settings: Settings, layout: Layout) -> None:
    words = mongod.command(settings, Path("mongod"), layout)
    options = dict(zip(words[1::2], words[2::2], strict=False))
    assert (options["--replSet"], options["--bind_ip"], options["--port"]) == ("rs0", "127.0.0.1", "1113")


@pytest.fixture
def spark(settings: Settings, tmp_path: Path) -> LocalSpark:
    jars = (Path("/c/a.jar"), Path("/c/b.jar"))
    java = Java(Path("java"), Path("/j"), 17, "")
    return LocalSpark(java, jars, ClassArchive(tmp_path, java, ()))


def overrides(environment: Mapping[str, str]) -> dict[str, str]:
    """Returns the settings of a driver's variables."""
    words = shlex.split(environment["PYSPARK_SUBMIT_ARGS"])
    return dict(word.split("=", 1) for before, word in pairwise(words) if before == "--conf")  # type: ignore[misc]


def test_spark_gets_the_jars_and_the_profile_with_its_backslashes(
    settings: Settings, layout: Layout, spark: LocalSpark
) -> None:
    profile = settings.model_copy(update={"spark": {**settings.spark, "spark.redaction.string.regex": r"a\s"}})
    configure(profile, layout.conf, layout.home)
    defaults = pairs((layout.conf / "spark.conf").read_text(), " ")
    paths = {"spark.driver.extraClassPath": "/c/a.jar:/c/b.jar", "spark.executor.extraClassPath": "/c/a.jar:/c/b.jar"}
    assert overrides(spark.prepare(profile, layout.conf)) == paths
    assert defaults["spark.ui.port"] == "1114"
    assert defaults["spark.redaction.string.regex"] == r"a\\s"
    # Wherever tasks run, Java does not believe a record that says that it is long.
    assert JAVA_LIMITS in defaults["spark.driver.extraJavaOptions"]
    assert defaults["spark.executor.extraJavaOptions"] == JAVA_LIMITS


@pytest.mark.parametrize(("gib", "heap"), [(2, 4096), (8, 4096), (16, 6554), (24, 9830), (128, 30720)])
def test_the_heap_is_a_share_of_the_machine(gib: int, heap: int) -> None:
    assert heap_mib(gib * 2**30) == heap


def test_the_default_heap_follows_the_machine(settings: Settings, layout: Layout) -> None:
    def heap(settings: Settings) -> str:
        configure(settings, layout.conf, layout.home)
        return pairs((layout.conf / "spark.conf").read_text(), " ")["spark.driver.memory"]

    assert heap(settings) == f"{heap_mib(machine_memory())}m"
    assert heap(settings.model_copy(update={"spark": {**settings.spark, "spark.driver.memory": "5g"}})) == "5g"


@pytest.mark.parametrize(
    ("memory", "options"),
    [
        ("512m", "-Xms384m -XX:NewSize=192m"),
        ("600M", "-Xms450m -XX:NewSize=225m"),
        ("2g", "-Xms1536m -XX:NewSize=768m"),
        ("2097152k", "-Xms1536m -XX:NewSize=768m"),
        ("4g", "-Xms3072m -XX:NewSize=1500m"),
        ("30g", "-Xms3072m -XX:NewSize=1500m"),
        ("1T", "-Xms3072m -XX:NewSize=1500m"),
    ],
)
def test_what_java_begins_with_follows_the_heap(settings: Settings, layout: Layout, memory: str, options: str) -> None:
    own = {"spark.driver.memory": memory, "spark.driver.extraJavaOptions": "-XX:+UseG1GC -Xms100m"}
    profile = settings.model_copy(update={"spark": {**settings.spark, **own}})
    configure(profile, layout.conf, layout.home)
    written = pairs((layout.conf / "spark.conf").read_text(), " ")
    assert written["spark.driver.memory"] == memory
    assert written["spark.driver.defaultJavaOptions"].endswith(f" {options}")
    # Spark puts these behind the others, and Java obeys the last.
    assert written["spark.driver.extraJavaOptions"].startswith("-XX:+UseG1GC -Xms100m ")


@pytest.mark.parametrize("memory", ["512m", "2G", "3145728k"])
def test_java_starts_with_what_a_heap_begins_with(memory: str, settings: Settings) -> None:
    java = find_java(settings.java_home, runtimes().minimum_java)
    options = (f"-Xmx{memory}", *start_options(memory).split(), "-XX:+UseParallelGC")
    done = subprocess.run([java.program, *options, "-version"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "arning" not in done.stdout + done.stderr


@pytest.mark.parametrize("setting", ["spark.driver.memory", "spark.executor.memory"])
@pytest.mark.parametrize(
    ("memory", "said"),
    [
        *((each, "such as 4g") for each in ("2gb", "1.5g", "0.5g", "", "4 g", "g", "-1g", "+1g", "2048", "2147483648")),
        *((each, "at least 512m") for each in ("0g", "1k", "1m", "511M", "524287k")),
    ],
)
def test_a_heap_that_java_or_spark_refuses_is_named(setting: str, memory: str, said: str) -> None:
    with pytest.raises(UsageError, match=rf"setting spark of .*{setting} is '{re.escape(memory)}'.*{said}"):
        load("embedded", {"spark": {setting: memory}})


@pytest.mark.parametrize("memory", ["512m", "2G", "1T", "524288K"])
def test_a_heap_that_both_take_is_accepted(memory: str) -> None:
    assert load("embedded", {"spark": {"spark.executor.memory": memory}}).spark["spark.executor.memory"] == memory


def test_a_containers_memory_is_its_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(heap_module, "_LIMIT", limit)
    everything = machine_memory()
    for text, expected in (("max\n", everything), ("1048576\n", 2**20), (f"{2**60}\n", everything)):
        limit.write_text(text)
        assert machine_memory() == expected


def test_the_job_reads_what_is_written(settings: Settings, layout: Layout) -> None:
    configure(settings, layout.conf, layout.home)
    config = JobConfig.parse((layout.conf / "job.json").read_text("utf-8"))
    assert config.kafka.bootstrap == "127.0.0.1:1111"
    assert config.mongo.uri == "mongodb://127.0.0.1:1113/?replicaSet=rs0"
    assert config.checkpoint == f"file://{layout.checkpoint}/orders_payments"
    written = json.loads((layout.conf / "job.json").read_text())
    assert set(written["kafka"]) == {"bootstrap", "security", "mechanism", "username", "password", "ca"}
    assert set(written["mongo"]) == {"uri", "username", "password", "database"}
    assert set(written) == {
        "pipeline", "kafka", "mongo", "checkpoint",
        "lateness_seconds", "max_clock_skew_seconds", "idle_timeout_seconds", "outage_tolerance_seconds", "log_format",
        "log_levels", "parameters", "trigger_seconds", "metadata_url", "secret_manager_url",
        "final_exit_code", "failure_file",
    }  # fmt: skip
    assert "%maxLen{%enc{%ex}{CRLF}}{2000}" in (layout.conf / "log4j2.properties").read_text()


@pytest.mark.parametrize("protected", [True, False])
def test_a_command_that_ends_while_it_writes_leaves_whole_files(
    settings: Settings, layout: Layout, monkeypatch: pytest.MonkeyPatch, protected: bool
) -> None:
    configure(settings, layout.conf, layout.home)
    write_text = Path.write_text

    def write_half(file: Path, text: str, encoding: str) -> None:
        ends = "lateness_seconds" in text
        write_text(file, text[: len(text) // 2] if ends else text, encoding)
        if ends:
            raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_text", write_half)
    if not protected:
        # Each file is its own draft.
        monkeypatch.setattr(Path, "with_name", lambda file, _: file)
    with pytest.raises(KeyboardInterrupt):
        configure(settings, layout.conf, layout.home)
    with nullcontext() if protected else pytest.raises(ValueError, match="Unterminated"):
        JobConfig.parse((layout.conf / "job.json").read_text("utf-8"))


def test_forgetting_goes_on_where_it_was_interrupted(settings: Settings, layout: Layout) -> None:
    for folder in (layout.kafka, layout.mongo, layout.checkpoint):
        (folder / "data").touch()
    (layout.run / "forgetting").touch()
    Layout(settings.home).create()
    assert not any((folder / "data").exists() for folder in (layout.kafka, layout.mongo, layout.checkpoint))


def test_a_folder_has_one_owner(layout: Layout) -> None:
    with layout.locked() as first, layout.locked() as second:
        assert first is not None
        assert second is None


def test_status_of_what_never_ran(settings: Settings) -> None:
    status = environment_for(settings).job(settings).status()
    assert set(status) == {
        *("profile", "pipeline", "ready", "kafka", "mongo", "job", "dashboard", "pages", "problem", "warnings")
    }
    assert set(status["job"]) == {
        *("state", "pid_or_id", "last_batch", "input_rows_total", "lag", "watermark", "late_total"),
        *("dead_letters_total", "url"),
    }
    assert (status["ready"], status["job"]["state"]) == (False, "stopped")


def test_logs_are_merged_by_time_and_keep_lines_without_one(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("2026-11-22T10:00:02.000Z second\nno time\n")
    (tmp_path / "b").write_text(
        '{"t":{"$date":"2026-11-22T11:00:01.000+01:00"},"s":"I","c":"NETWORK","msg":"first"}\n'
        "2026-11-22T10:00:03Z third\n"
    )
    lines = list(merged({"a": tmp_path / "a", "b": tmp_path / "b", "c": tmp_path / "none"}, follow=False, since=None))
    assert [line.text.split()[-1] for line in lines] == ["first", "second", "time", "third"]


def test_who_follows_a_log_reads_each_line_once_whenever_it_is_emptied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "MAX_BYTES", 100)
    file, written = tmp_path / "a.log", 0
    lines: list[str] = []
    with file.open("ab", buffering=0) as program:

        def write() -> None:
            nonlocal written
            program.write(f"2026-11-22T10:00:02.000Z INFO line {written}\n".encode())
            written += 1

        write()
        for line in islice(merged({"a": file}, follow=True, since=None), 20):
            lines.append(line.text)
            if len(lines) == written:
                # Some lines are read only after the log was emptied, and the file is longer then than before, or not.
                for _ in range(written % 4 + 1):
                    write()
                logs.rotate(file)
                if written % 2:
                    write()
    assert lines == [f"line {number}" for number in range(20)]
    assert logs.rotated(file).exists()


def test_what_ended_a_program_is_found_after_its_log_was_emptied(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("2026-11-22T10:00:02.000Z ERROR the cause\n")
    assert error_summary(log, from_byte=10_000) == "the cause"


STRANGE = "zoë 漢 a\\b %41 #c \"d\" 'e' $HOME ${x} =f !g"


def read_by_java(text: str) -> dict[str, str]:
    """Returns what Java reads in a properties file, of what ours have in them."""
    found = {}
    for line in text.encode("latin-1").decode("ascii").splitlines():
        if line and line[0] != "#":
            name, value = line.split("=", 1)
            found[name] = json.loads('"' + value.replace('"', '\\"') + '"')
    return found


def test_kafka_reads_the_folder_that_is_meant(tmp_path: Path) -> None:
    layout = Layout(tmp_path / STRANGE)
    found = read_by_java(kafka.properties(load("embedded", {"state_dir": tmp_path / STRANGE}), layout))
    assert found["log.dirs"] == str(layout.kafka)


def test_spark_reads_the_folders_that_are_meant(tmp_path: Path, spark: LocalSpark) -> None:
    layout = Layout(tmp_path / STRANGE)
    layout.create()
    settings, jar = load("embedded"), tmp_path / STRANGE / "a.jar"
    configure(settings, layout.conf, layout.home)
    text = (layout.conf / "spark.conf").read_text("latin-1")
    found = read_by_java("\n".join(line.replace(" ", "=", 1) for line in text.splitlines()))
    paths = overrides(replace(spark, jars=(jar,)).prepare(settings, layout.conf))
    assert paths["spark.driver.extraClassPath"] == str(jar)
    assert found["spark.local.dir"] == str(layout.scratch)
    # The launcher splits them like a shell, and Log4j reads a URI.
    temporary, *_ = shlex.split(found["spark.driver.defaultJavaOptions"])
    assert temporary == f"-Djava.io.tmpdir={layout.conf / 'tmp'}"
    name, _, uri = shlex.split(found["spark.driver.extraJavaOptions"])[-1].partition("=")
    assert name == "-Dlog4j2.configurationFile"
    assert not set(uri) & set(",$#\"' ")
    assert unquote(urlsplit(uri).path) == str(layout.conf / "log4j2.properties")
    for file in layout.conf.glob("*.properties"):
        assert file.read_bytes().isascii()


@pytest.mark.parametrize(
    ("variable", "name", "said"),
    [
        ("state_dir", "a,b", "the state folder .*a,b.* has a comma in its path: Kafka and Spark read it as"),
        ("state_dir", "a:b", "the state folder .*a:b.* has a colon in its path: Java's class path ends a name there"),
        ("cache_dir", "a:b", "the cache folder .*a:b has a colon in its path"),
        ("state_dir", "a🦊", "the state folder .*a🦊.* has an emoji or another character .* in its path: Java"),
        ("cache_dir", "a🦊", "the cache folder .*a🦊 has an emoji"),
    ],
)
def test_a_folder_that_a_program_would_misread_is_refused_before_anything_starts(
    tmp_path: Path, variable: str, name: str, said: str
) -> None:
    settings = load("embedded", {"state_dir": tmp_path, "cache_dir": tmp_path, variable: tmp_path / name})
    layout = Layout(settings.home)
    for start in (lambda: prepare(settings, layout), lambda: LocalSpark.find(settings)):
        with pytest.raises(UsageError, match=said) as told:
            start()
        assert f"set TANDEM_{variable.upper()} to" in (told.value.hint or "")


def test_a_python_whose_jars_of_spark_java_would_not_find_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "🦊"))
    with pytest.raises(UsageError, match=r"the Python folder .*🦊 has an emoji") as told:
        check_folder_names(load("embedded", {"state_dir": tmp_path, "cache_dir": tmp_path}))
    assert told.value.hint.startswith("install Tandem in a folder without an emoji")


def test_a_folder_whose_name_can_be_escaped_is_taken(tmp_path: Path) -> None:
    strange = tmp_path / STRANGE
    check_folder_names(load("embedded", {"state_dir": strange, "cache_dir": strange / "a,b"}))


def test_children_read_names_as_utf_8_whatever_the_locale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    java = tmp_path / "zoë" / "bin" / "java"
    java.parent.mkdir(parents=True)
    told = f"[ $LC_ALL = C.UTF-8 ] && echo '    java.home = {tmp_path}/zoë' >&2"
    java.write_text(f"#!/bin/sh\n{told}\necho 'openjdk version \"17\"' >&2\n")
    java.chmod(0o755)
    found = find_java(tmp_path / "zoë", 17)
    assert found.home == tmp_path / "zoë"
    assert child_environment(found)["LC_ALL"] == "C.UTF-8"


def test_java_unpacks_native_code_in_the_state_folder(settings: Settings, layout: Layout, spark: LocalSpark) -> None:
    """What an earlier run has left there is removed."""
    (layout.kafka / "meta.properties").touch()
    tools = Tools(Java(Path("java"), Path(), 17, ""), Path("mongod"), {"kafka": (), "spark": ()})
    broker = kafka.Kafka(settings, tools, layout)
    (option,) = (word for word in broker.command if word.startswith("-Djava.io.tmpdir="))
    folders = [Path(option.partition("=")[2])]
    for conf in (layout.conf, layout.conf / "batch"):
        configure(settings, conf, layout.home)
        spark.prepare(settings, conf)
        options = pairs((conf / "spark.conf").read_text(), " ")["spark.driver.defaultJavaOptions"]
        option, *_ = shlex.split(options)
        folders.append(Path(option.partition("=")[2]))
    broker.prepare()
    assert len(set(folders)) == 3
    for folder in folders:
        assert folder.is_relative_to(layout.home)
        (folder / "libsnappyjava.so").touch()
    broker.prepare()
    # A running driver keeps its files until the next start.
    configure(settings, layout.conf, layout.home)
    assert not any(list(folder.iterdir()) == [] for folder in folders[1:])
    spark.prepare(settings, layout.conf)
    assert [list(folder.iterdir()) == [] for folder in folders] == [True, True, False]


def test_the_dashboard_is_asked_past_any_proxy(
    settings: Settings, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Healthy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    # What an earlier request has found out of proxies.
    monkeypatch.setattr("urllib.request._opener", None)
    with HTTPServer(("127.0.0.1", 0), Healthy) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            ui = settings.ui.model_copy(update={"dashboard_port": server.server_port})
            Dashboard(settings.model_copy(update={"ui": ui}), layout).probe(1)
        finally:
            server.shutdown()
            thread.join()
