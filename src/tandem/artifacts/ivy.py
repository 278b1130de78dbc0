"""Fetches jars by coordinates with PySpark's Ivy, so that Maven is not needed."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from threading import Timer
from xml.sax.saxutils import quoteattr

from tandem.errors import EnvironmentNotReadyError, install_hint
from tandem.foreign import inherited
from tandem.foreign.inheritance import UTF8
from tandem.foreign.proxies import for_java, proxy_for

DEADLINE_S = 900
_OFFLINE = re.compile(
    r"UnknownHost|Connection refused|Network is unreachable|timed? ?out|SSL|Server access error|UNRESOLVED DEPEND", re.I
)
# One request for each jar: dependencies are not needed, and the caller compares checksums.
_JARS_ONLY = """\
<ivysettings>
  <settings defaultResolver="central"/>
  <resolvers><ibiblio name="central" m2compatible="true" usepoms="false" checksums=""/></resolvers>
</ivysettings>
"""
_TELLING = re.compile(r"Exception|UNRESOLVED|Server access|not found|failed", re.I)


def spark_jars() -> Path:
    """Returns the folder of the jars that PySpark ships.

    Raises:
        EnvironmentNotReadyError: PySpark is not installed.
    """
    spec = importlib.util.find_spec("pyspark")
    if spec is None or spec.origin is None:
        raise EnvironmentNotReadyError("PySpark is not installed", hint=install_hint("spark"))
    return Path(spec.origin).parent / "jars"


def check_spark(wanted: str) -> str:
    """Returns the version and the folder of this process's Spark.

    Args:
        wanted: the required version.

    Raises:
        EnvironmentNotReadyError: it is another version, or a client without Spark's jars.
    """
    jars = spark_jars()
    core = next(jars.glob("spark-core_*.jar"), None)
    installed = core.stem.rpartition("-")[2] if core else "without Spark's jars"
    if installed != wanted:
        raise EnvironmentNotReadyError(
            f"PySpark {wanted} is needed, but {jars.parent} is PySpark {installed}",
            hint=f"unset PYTHONPATH if it names that folder, else {install_hint('spark')}",
        )
    return f"{installed} ({jars.parent})"


def fetch(
    packages: Iterable[str],
    *,
    java: Path | str,
    into: Path,
    pattern: str,
    transitive: bool,
    on_jar: Callable[[], None] = lambda: None,
) -> None:
    """Fetches packages and puts their jars under ``into``.

    Args:
        packages: ``group:artifact:version``, ``group:artifact:version:classifier``, or one of them and ``@ending``.
        java: the program to run Ivy with.
        into: an empty folder, which also gets Ivy's cache and its file of dependencies.
        pattern: the files' names under ``into``, in Ivy's tokens such as ``[artifact]-[revision].[ext]``.
        transitive: whether to fetch the packages' dependencies, too.
        on_jar: called once for each jar downloaded.

    Raises:
        EnvironmentNotReadyError: no Java, no network, no space, or no such package.
    """
    module = into / "ivy.xml"
    module.write_text(_module(packages), "utf-8")
    ivy = next(spark_jars().glob("ivy-*.jar"))
    environment = inherited() | UTF8
    command = [str(java), f"-Djava.io.tmpdir={into}", f"@{options_file(into, environment)}", "-jar", str(ivy)]
    command += ["-ivy", str(module), "-confs", "default", "-cache", str(into / "ivy")]
    command += ["-retrieve", str(into / pattern)]
    if not transitive:
        settings = into / "ivysettings.xml"
        settings.write_text(_JARS_ONLY, "utf-8")
        command += ["-settings", str(settings)]
    output: deque[str] = deque(maxlen=400)
    try:
        started = subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise EnvironmentNotReadyError(
            f"the Java program {java} cannot be started: {error.strerror}", hint="install Java, or set JAVA_HOME"
        ) from None
    with started as process:
        watchdog = Timer(DEADLINE_S, process.kill)
        watchdog.start()
        try:
            for line in process.stdout or ():
                output.append(line.strip())
                if "[SUCCESSFUL" in line:
                    on_jar()
        except BaseException:
            process.kill()
            raise
        finally:
            watchdog.cancel()
    if process.returncode != 0:
        raise fetch_error(list(output), environment)


def options_file(into: Path, environment: Mapping[str, str]) -> Path:
    """Returns a private file of Java's options, which may have a proxy's login."""
    try:
        options = for_java(environment)
    except ValueError as error:
        raise EnvironmentNotReadyError(f"the proxy is not usable: {error}", hint="write it http://HOST:PORT") from None
    file = into / "java.options"
    file.touch(mode=0o600)
    file.write_text("".join(f"{_quoted(option)}\n" for option in options), "utf-8")
    return file


def _quoted(option: str) -> str:
    escaped = option.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _module(packages: Iterable[str]) -> str:
    rows = []
    for package in packages:
        module, _, ending = package.partition("@")
        kind = f"type={quoteattr(ending or 'jar')} ext={quoteattr(ending or 'jar')}"
        group, artifact, version, *classifier = module.split(":")
        row = f"org={quoteattr(group)} name={quoteattr(artifact)} rev={quoteattr(version)}"
        # A further jar of the same module: only this jar.
        inner = "".join(
            f"<artifact name={quoteattr(artifact)} {kind} m:classifier={quoteattr(each)}/>" for each in classifier
        )
        rows.append(f'    <dependency {row} conf="default->default">{inner}</dependency>')
    body = "\n".join(rows)
    return (
        '<ivy-module version="2.0" xmlns:m="http://ant.apache.org/ivy/maven">\n'
        '  <info organisation="tandem" module="jars"/>\n'
        '  <configurations><conf name="default"/></configurations>\n'
        f"  <dependencies>\n{body}\n  </dependencies>\n</ivy-module>\n"
    )


def fetch_error(output: list[str], environment: Mapping[str, str]) -> EnvironmentNotReadyError:
    """Returns the error of a failed download, given Ivy's output and variables."""
    text = "\n".join(output)
    line = next((line for line in output if _TELLING.search(line)), output[-1] if output else "no output")[:300]
    if "No space left on device" in text:
        return EnvironmentNotReadyError("no space left while downloading jars", hint="free some space, then try again")
    hint = "see the message above; runtimes.toml names the jars"
    proxy = proxy_for(environment, "https")
    if "PKIX" in text:
        hint = (
            "Java does not trust the certificate; behind a proxy with its own authority, add that to a trust "
            "store and set JAVA_TOOL_OPTIONS=-Djavax.net.ssl.trustStore=FILE"
        )
    elif proxy and re.search(r"HTTP/1\.[01] 407|proxy requires authentication", text):
        hint = f"the proxy {proxy.address} needs a login: set {proxy.variable}=http://USER:PASSWORD@{proxy.address}"
    elif _OFFLINE.search(text) and proxy:
        hint = f"check that the proxy {proxy.address} of {proxy.variable} answers"
    elif _OFFLINE.search(text):
        hint = (
            "connect to the network for the first start (150 MB of temporary space); later starts need none; "
            "behind a proxy set HTTPS_PROXY=http://HOST:PORT"
        )
    return EnvironmentNotReadyError(f"the jars could not be downloaded: {line}", hint=hint)
