"""Variables that were set for other programs: what of them reaches ours, and what the doctor says of them."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tandem.artifacts.ivy import spark_jars
from tandem.errors import EnvironmentNotReadyError
from tandem.foreign.inheritance import IMPORTED
from tandem.local_spark.java import Java, child_environment, find_java
from tandem.platforms.compose.cli import Compose
from tandem.platforms.doctor import examine
from tandem.runtimes import runtimes
from tandem.settings.load import load

SOURCE = Path(__file__).parents[2] / "src"
JAVA = Java(Path("/java/bin/java"), Path("/java"), 25, "")
# Those read variables for a purpose of their own; the notebook puts back what a process had.
READERS = {
    "tandem/foreign",
    "tandem/log.py",
    "tandem/settings/load.py",
    "tandem/engine/spark/secrets.py",
    "tandem/notebook/spark.py",
}


@pytest.fixture
def other_spark(tmp_path: Path) -> Path:
    """A Spark of another version, as ``$SPARK_HOME/python``."""
    package = tmp_path / "spark-3.5.1" / "python" / "pyspark"
    (package / "jars").mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('another Spark')")
    (package / "jars" / "spark-core_2.12-3.5.1.jar").touch()
    return package.parent


def test_nothing_of_another_spark_hadoop_or_python_reaches_a_program(monkeypatch: pytest.MonkeyPatch) -> None:
    names = (
        *("SPARK_HOME", "SPARK_CONF_DIR", "SPARK_REMOTE", "SPARK_MASTER", "SPARK_SUBMIT_OPTS", "SPARK_VERSION"),
        *("PYSPARK_PYTHON", "PYSPARK_SUBMIT_ARGS", "PYSPARK_DRIVER_PYTHON", "SPARK_DIST_CLASSPATH", "SPARK_LOCAL_IP"),
        *("HADOOP_HOME", "HADOOP_CONF_DIR", "HADOOP_CLASSPATH", "YARN_CONF_DIR", "HIVE_CONF_DIR", "CLASSPATH"),
        *("PYTHONHOME", "PYTHONINSPECT", "PIP_TARGET", "PIP_REQUIRE_HASHES", "PIP_CONSTRAINT", "UV_PYTHON"),
        *("PYTHONWARNINGS", "PYTHONIOENCODING", "PYTHONOPTIMIZE", "YARN_HOME", "HIVE_HOME", "LOG4J_CONFIGURATION_FILE"),
        *("COMPOSE_DRY_RUN", "COMPOSE_COMPATIBILITY", "COMPOSE_STATUS_STDOUT", "COMPOSE_ANSI", "COMPOSE_PROGRESS"),
        *("COMPOSE_BAKE", "DOCKER_API_VERSION", "BUILDX_BUILDER", "BUILDKIT_HOST"),
    )
    for name in names:
        monkeypatch.setenv(name, "something else")
    environment = child_environment(JAVA, SPARK_LOCAL_IP="127.0.0.1")
    assert {name: environment[name] for name in names if name in environment} == {"SPARK_LOCAL_IP": "127.0.0.1"}


def test_settings_of_the_network_reach_every_program(monkeypatch: pytest.MonkeyPatch) -> None:
    names = (
        *("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_CERT", "PIP_TRUSTED_HOST", "PIP_PROXY", "PIP_CACHE_DIR"),
        *("UV_DEFAULT_INDEX", "UV_NATIVE_TLS", "UV_SYSTEM_CERTS", "COMPOSE_HTTP_TIMEOUT", "DOCKER_HOST"),
    )
    for name in names:
        monkeypatch.setenv(name, "x")
    assert dict.fromkeys(names, "x").items() <= child_environment(JAVA).items()


@pytest.mark.parametrize("made", ["kafka/__init__.py", "tandem/__init__.py", "pyspark.py", "typer/__init__.py"])
def test_a_python_path_is_passed_on_without_packages_that_would_hide_ours(
    made: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hiding, own = tmp_path / "hiding", tmp_path / "own"
    own.mkdir()
    (own / "docker").mkdir()
    (hiding / made).parent.mkdir(parents=True)
    (hiding / made).touch()
    egg = tmp_path / "pyspark-3.5.egg"
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, (hiding, egg, SOURCE, own))))
    assert child_environment(JAVA)["PYTHONPATH"] == os.pathsep.join((str(SOURCE), str(own)))


def test_every_package_that_we_import_is_looked_for() -> None:
    imported = set()
    for package in ("tandem", "tandem_rehearsal"):
        for file in (SOURCE / package).rglob("*.py"):
            if {"scaffold", "pipelines"} & set(file.relative_to(SOURCE).parts):
                continue
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if isinstance(node, ast.Import):
                    imported |= {alias.name.partition(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    imported.add(node.module.partition(".")[0])
    # A folder `google` hides nothing: the packages in it come from several folders.
    assert imported - set(sys.stdlib_module_names) - {"google"} - set(IMPORTED) == set()


def test_no_variable_of_python_ends_a_command(tmp_path: Path) -> None:
    (tmp_path / "path" / "kafka").mkdir(parents=True)
    (tmp_path / "path" / "kafka" / "__init__.py").write_text("raise ImportError('another kafka')")
    variables = {
        "PYTHONWARNINGS": "error",
        "PYTHONIOENCODING": "ascii",
        "PYTHONPATH": str(tmp_path / "path"),
        "TANDEM_STATE_DIR": str(tmp_path / "zoë"),
        "TANDEM_PROFILE": "embedded",
    }
    done = subprocess.run(
        [sys.executable, "-m", "tandem", "config", "show"],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert r"zo\xeb" in done.stdout


def test_a_python_path_is_passed_on_without_another_spark(
    monkeypatch: pytest.MonkeyPatch, other_spark: Path, tmp_path: Path
) -> None:
    own, archive = tmp_path / "own", other_spark / "lib" / "py4j-0.10.9.7-src.zip"
    own.mkdir()
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, (other_spark, archive, own))))
    assert child_environment(JAVA)["PYTHONPATH"] == str(own)
    monkeypatch.setenv("PYTHONPATH", str(other_spark))
    assert "PYTHONPATH" not in child_environment(JAVA)


def test_the_packages_that_tandem_runs_on_are_no_other_spark(monkeypatch: pytest.MonkeyPatch) -> None:
    here = str(spark_jars().parents[1])
    monkeypatch.setenv("PYTHONPATH", here)
    assert child_environment(JAVA)["PYTHONPATH"] == here


@pytest.mark.parametrize("name", ["JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS"])
def test_java_options_are_passed_on_without_what_would_end_or_change_a_program(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    kept = '-Dhttps.proxyHost=proxy -Dhttps.proxyPort=3128 -Djavax.net.ssl.trustStore="/a b/store" -XX:UseSVE=0'
    for conflicting in (
        *(
            "-XX:+UseG1GC",
            "-XX:-UseSerialGC",
            "-XX:+UseConcMarkSweepGC",
            "-Xmx64m",
            "-Xms64m",
            "-XX:MaxRAMPercentage=10",
        ),
        *("-XX:MaxMetaspaceSize=32m", "-XX:MaxDirectMemorySize=1m", "-Xshare:dump", "-XX:AOTCache=other"),
        *("-javaagent:agent.jar", "-agentlib:jdwp=transport=dt_socket,server=y,address=5005", "-Dspark.master=yarn"),
        *("-Dcom.sun.management.jmxremote.port=9999", "-Dlog4j2.configurationFile='a b'", "-Duser.timezone=Asia/Tokyo"),
    ):
        monkeypatch.setenv(name, f"{conflicting} {kept}")
        assert child_environment(JAVA)[name] == kept
        monkeypatch.setenv(name, conflicting)
        assert name not in child_environment(JAVA)


def test_javas_hosts_without_a_proxy_have_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Dhttp.proxyHost=proxy -Dhttp.nonProxyHosts=*.corp|10.*")
    expected = '-Dhttp.proxyHost=proxy "-Dhttp.nonProxyHosts=*.corp|10.*|localhost|127.*|[::1]"'
    assert child_environment(JAVA)["JAVA_TOOL_OPTIONS"] == expected


def test_a_java_that_tells_its_options_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", '-Dbuild="version 8" -Djava.home=/other')
    java = program(
        tmp_path,
        """
        echo "NOTE: Picked up JDK_JAVA_OPTIONS: -Dx='version \\"8.0\\"' build"
        echo "Picked up JAVA_TOOL_OPTIONS: -Dx='version \\"8.0\\"'"
        echo "    java.home = /real"
        echo 'openjdk version "21.0.2" 2024-01-16'
        echo 'OpenJDK Runtime Environment (build 21.0.2+13)'
        """,
    )
    found = find_java(java, 17)
    assert (found.version, found.home, found.build) == (
        21,
        Path("/real"),
        "OpenJDK Runtime Environment (build 21.0.2+13)",
    )


def test_a_java_that_does_not_start_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    java = program(tmp_path, "echo 'Picked up _JAVA_OPTIONS: -Dp=secret'; echo 'Unrecognized VM option: Foo'; exit 1")
    monkeypatch.setenv("PATH", "/usr/bin/none")
    with pytest.raises(EnvironmentNotReadyError, match="Unrecognized VM option: Foo") as caught:
        find_java(java, 17)
    assert "secret" not in str(caught.value)


REFUSES = """
for refused in BadOne Bad2; do
  case "$JAVA_TOOL_OPTIONS $_JAVA_OPTIONS" in *$refused*) echo "Unrecognized VM option $refused"; exit 1;; esac
done
case "$JAVA_TOOL_OPTIONS" in *One*Two*) echo "Conflicting options"; exit 1;; esac
echo "    java.home = /real"
echo 'openjdk version "VERSION" 2024-01-16'
"""


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"JAVA_TOOL_OPTIONS": "-Dp=secret -XX:BadOne=secret"}, "-XX:BadOne in JAVA_TOOL_OPTIONS: Unrecognized VM"),
        ({"_JAVA_OPTIONS": "'-XX:Bad2' -Dx=y", "JAVA_TOOL_OPTIONS": "-Dx=y"}, "-XX:Bad2 in _JAVA_OPTIONS: Unrec"),
        ({"JAVA_TOOL_OPTIONS": "-XX:One -XX:Two"}, "an option in JAVA_TOOL_OPTIONS: Conflicting options"),
    ],
)
def test_an_option_that_java_refuses_is_named_with_its_variable(
    variables: dict[str, str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    java = program(tmp_path, REFUSES.replace("VERSION", "21.0.2"))
    with pytest.raises(EnvironmentNotReadyError, match=re.escape(said)) as caught:
        find_java(java, 17)
    assert "secret" not in f"{caught.value}{caught.value.hint}"
    # An older one would not do without the option either.
    (java / "bin" / "java").unlink()
    java = program(tmp_path / "older", REFUSES.replace("VERSION", "11.0.2"))
    with pytest.raises(EnvironmentNotReadyError, match="Java 17 or newer is needed"):
        find_java(java, 17)


def program(folder: Path, script: str) -> Path:
    """Returns a JAVA_HOME whose ``java`` says something on standard error."""
    java = folder / "home" / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(f"#!/bin/bash\nexec >&2\n{script}\n")
    java.chmod(0o755)
    return folder / "home"


def test_compose_reads_this_checkouts_file_whatever_another_project_has_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("COMPOSE_FILE", "COMPOSE_PROJECT_NAME", "COMPOSE_PROFILES", "COMPOSE_ENV_FILES", "DOCKER_BUILDKIT"):
        monkeypatch.setenv(name, "/other/compose.yml")
    monkeypatch.setenv("SPARK_VERSION", "3.5.1")
    docker = tmp_path / "docker"
    docker.write_text('#!/bin/sh\necho "$@"; env\n')
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    _, said, _ = Compose(tmp_path, "ours", {"COMPOSE_PROFILES": "local"}).output_of("config")
    command, *variables = said.splitlines()
    assert command == "compose --file docker-compose.yml --project-name ours config"
    assert [line for line in variables if line.startswith(("COMPOSE_", "DOCKER_BUILDKIT", "SPARK_"))] == [
        "COMPOSE_PROFILES=local"
    ]


def test_an_override_that_compose_would_find_is_named_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    docker = tmp_path / "docker"
    docker.write_text('#!/bin/sh\necho "$@"\n')
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (tmp_path / "docker-compose.override.yml").touch()
    _, said, _ = Compose(tmp_path, "ours", {}).output_of("ps")
    files = "--file docker-compose.yml --file docker-compose.override.yml"
    assert said == f"compose {files} --project-name ours ps\n"


def test_the_doctor_names_each_variable_and_repeats_no_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other_spark: Path
) -> None:
    monkeypatch.setenv("SPARK_REMOTE", "sc://secret")
    monkeypatch.setenv("COMPOSE_FILE", "/secret.yml")
    monkeypatch.setenv("HTTPS_PROXY", "http://user:secret@proxy:3128")
    monkeypatch.setenv("http_proxy", "http://user:secret@127.0.0.1:3128")
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-XX:+UseG1GC -Dspark.password=secret -Dhttps.proxyHost=proxy")
    monkeypatch.setenv("PYTHONPATH", str(other_spark))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "key=secret")
    settings = load("embedded", {"state_dir": tmp_path, "cache_dir": tmp_path})
    found = {finding.check: finding for finding in examine(settings, running=False)}
    assert found["SPARK_REMOTE"].value == "not passed on: it is for another Spark"
    assert found["COMPOSE_FILE"].value == "not passed on: it is for another Compose project"
    assert found["HTTPS_PROXY"].value == found["OTEL_EXPORTER_OTLP_HEADERS"].value == "used"
    assert found["http_proxy"].value.startswith("used; the proxy is on this machine")
    assert found["JAVA_TOOL_OPTIONS"].value == "passed on without -XX:+UseG1GC -Dspark.password"
    assert found["PYTHONPATH"].value == f"passed on without {other_spark}"
    assert "secret" not in " ".join(f"{finding.value} {finding.fix}" for finding in found.values())


def test_the_command_line_finds_its_own_spark(tmp_path: Path, other_spark: Path) -> None:
    variables = {"PYTHONPATH": str(other_spark), "TANDEM_STATE_DIR": str(tmp_path), "TANDEM_PROFILE": "embedded"}
    done = subprocess.run(
        [sys.executable, "-m", "tandem", "doctor", "--json"],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"{runtimes().default.pyspark} ({spark_jars().parent})" in done.stdout


@pytest.mark.parametrize(
    ("jar", "said"), [("spark-core_2.13-4.0.1.jar", "PySpark 4.0.1"), ("x.jar", "without Spark's")]
)
def test_another_spark_is_said_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jar: str, said: str
) -> None:
    from tandem.artifacts import ivy

    (tmp_path / jar).touch()
    monkeypatch.setattr(ivy, "spark_jars", lambda: tmp_path)
    with pytest.raises(EnvironmentNotReadyError, match=said) as caught:
        ivy.check_spark("4.2.0")
    assert "unset PYTHONPATH" in caught.value.hint


def test_every_program_that_is_started_gets_an_environment_made_for_it() -> None:
    bare, readers = [], set()
    for file in SOURCE.rglob("*.py"):
        name = str(file.relative_to(SOURCE))
        text = file.read_text("utf-8")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Attribute) and ast.unparse(node) == "os.environ":
                readers.add("tandem/foreign" if name.startswith("tandem/foreign/") else name)
            if isinstance(node, ast.Call) and ast.unparse(node.func) in (
                *("subprocess.run", "subprocess.Popen", "subprocess.check_output", "Popen"),
                *("spawn", "os.system", "os.execv"),
            ):
                given = {word.arg for word in node.keywords}
                # Compose's calls share what `_where` returns.
                if "env" not in given and "**self._where()" not in ast.unparse(node):
                    bare.append(f"{name}:{node.lineno}")
    assert bare == []
    assert readers == READERS


def test_no_hint_installs_the_package_that_others_have_registered_as_tandem() -> None:
    root = SOURCE.parent
    files = [*SOURCE.rglob("*.py"), *root.glob("*.md"), *(root / "docs").rglob("*.md"), *(root / "scripts").iterdir()]
    named = re.compile(r"""\btandem\[|install ['"]?tandem(?!-streams)""")
    assert named.search("pip install 'tandem[gcp]'")
    found = [file for file in files if file.is_file() and named.search(file.read_text("utf-8"))]
    assert found == []
