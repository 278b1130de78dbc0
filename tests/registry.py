"""A schema registry for the tests: Apicurio with Confluent's API, on loopback and in memory."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tandem.artifacts import ensure_jars
from tandem.settings.load import load
from tandem.waiting import wait_for


@contextmanager
def schema_registry(folder: Path, port: int) -> Iterator[str]:
    """Yields the address of a running registry, empty at first.

    Args:
        folder: where to unpack and run it.
        port: its port.
    """
    (archive,) = ensure_jars(load("embedded").cache_dir, "java", ["registry"])["registry"]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    (program,) = folder.glob("*-runner.jar")
    address = f"http://127.0.0.1:{port}/apis/ccompat/v7"
    options = ["-Xmx256m", "-Dquarkus.http.host=127.0.0.1", f"-Dquarkus.http.port={port}"]
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(
            ["java", *options, "-jar", str(program)], cwd=folder, stdout=log, stderr=subprocess.STDOUT
        ) as process,
    ):
        try:
            wait_for(
                "the schema registry",
                lambda: urllib.request.urlopen(f"{address}/subjects", timeout=5).close(),
                deadline_s=120,
                hint=f"see {folder / 'log'}",
                retry_on=(OSError, urllib.error.URLError),
            )
            yield address
        finally:
            process.terminate()
