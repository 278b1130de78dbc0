"""Writes the files of Kafka UI and Mongoku, in the container ``ui-setup``.

The files have no password. Each program reads its own one from the file of a Compose secret.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tandem.engine.spark.connection_options import LOGIN_MODULES, quoted
from tandem.errors import EnvironmentNotReadyError, run_program
from tandem.settings.load import load, read_settings
from tandem.settings.model import KafkaSettings, MongoSettings, Reference, Settings


def write(settings: Settings, conf: Path) -> None:
    """Writes ``kafka-ui.yml`` and ``mongoku.json``.

    Args:
        settings: the settings inside the containers.
        conf: the folder of both programs.

    Raises:
        EnvironmentNotReadyError: a password is not in a file.
    """
    cluster = {
        "name": settings.profile,
        "bootstrapServers": settings.kafka.bootstrap,
        "readOnly": True,
        "properties": _kafka_properties(settings.kafka),
    }
    # JSON is YAML.
    files = {"kafka-ui.yml": {"kafka": {"clusters": [cluster]}}, "mongoku.json": _mongoku(settings.mongo)}
    for name, content in files.items():
        (conf / name).write_text(json.dumps(content, indent=2) + "\n", "utf-8")


def _kafka_properties(kafka: KafkaSettings) -> dict[str, str]:
    properties: dict[str, str] = {"security.protocol": kafka.security}
    if kafka.username and kafka.password:
        # Spring imports the folder of secrets: a file's name is a property.
        password = f"${{{_file(kafka.password).name}}}"
        properties["sasl.mechanism"] = kafka.mechanism
        properties["sasl.jaas.config"] = (
            f'{LOGIN_MODULES[kafka.mechanism]} required username={quoted(kafka.username)} password="{password}";'
        )
    if kafka.ca:
        properties |= {"ssl.truststore.type": "PEM", "ssl.truststore.location": str(kafka.ca)}
    return properties


def _mongoku(mongo: MongoSettings) -> dict[str, Any]:
    scheme, separator, rest = mongo.uri.partition("://")
    hosts, _, options = rest.partition("/")
    if mongo.ca:
        options += f"{'&' if '?' in options else '?'}tlsCAFile={quote(str(mongo.ca), safe='')}"
    if not (mongo.username and mongo.password):
        return {"uri": f"{scheme}{separator}{hosts}/{options}", "password_file": None}
    login = quote(mongo.username, safe="")
    return {"uri": f"{scheme}{separator}{login}@{hosts}/{options}", "password_file": str(_file(mongo.password))}


def _file(reference: Reference) -> Path:
    kind, _, path = reference.partition(":")
    if kind != "file":
        raise EnvironmentNotReadyError(
            f"{reference} is not a file, and the pages read passwords from files only",
            hint="name the files in TANDEM_KAFKA_PASSWORD_FILE and TANDEM_MONGO_PASSWORD_FILE",
        )
    return Path(path)


def main() -> None:
    """Writes the configuration of the pages."""
    parser = argparse.ArgumentParser(prog="python -m tandem.platforms.compose.ui_setup", description=__doc__)
    parser.add_argument("--conf", type=Path, required=True, help="the folder for the files")
    arguments = parser.parse_args()
    # All pipelines of an environment have one Kafka and one MongoDB.
    write(load(overrides={"pipeline": read_settings().pipelines[0]}), arguments.conf)


if __name__ == "__main__":
    raise SystemExit(run_program(main))
