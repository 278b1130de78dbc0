"""The files from which Kafka UI and Mongoku get the addresses and logins."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tandem.errors import EnvironmentNotReadyError
from tandem.platforms.compose.ui_setup import write
from tandem.settings.load import load

CLOUD: dict[str, Any] = {
    "kafka": {
        "bootstrap": "broker:9092",
        "security": "SASL_SSL",
        "username": 'a "key"',
        "password": "file:/run/secrets/kafka_password",
    },
    "mongo": {
        "uri": "mongodb+srv://atlas.example/?retryWrites=true",
        "username": "me@home",
        "password": "file:/run/secrets/mongo_password",
    },
}


def written(folder: Path, **sections: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns the cluster of Kafka UI and the file of Mongoku."""
    write(load("embedded", sections), folder)
    (cluster,) = json.loads((folder / "kafka-ui.yml").read_text("utf-8"))["kafka"]["clusters"]
    return cluster, json.loads((folder / "mongoku.json").read_text("utf-8"))


def test_services_in_the_containers_network_need_no_login(tmp_path: Path) -> None:
    cluster, mongoku = written(
        tmp_path, kafka={"bootstrap": "kafka:9092"}, mongo={"uri": "mongodb://mongo:27017/?replicaSet=rs0"}
    )
    assert cluster == {
        "name": "embedded",
        "bootstrapServers": "kafka:9092",
        "readOnly": True,
        "properties": {"security.protocol": "PLAINTEXT"},
    }
    assert mongoku == {"uri": "mongodb://mongo:27017/?replicaSet=rs0", "password_file": None}


@pytest.mark.parametrize(
    ("mechanism", "module"), [("PLAIN", "plain.PlainLoginModule"), ("SCRAM-SHA-512", "scram.ScramLoginModule")]
)
def test_a_login_names_the_password_and_does_not_have_it(mechanism: str, module: str, tmp_path: Path) -> None:
    cluster, mongoku = written(tmp_path, kafka={**CLOUD["kafka"], "mechanism": mechanism}, mongo=CLOUD["mongo"])
    assert cluster["properties"] == {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": mechanism,
        "sasl.jaas.config": f"org.apache.kafka.common.security.{module} required "
        'username="a \\"key\\"" password="${kafka_password}";',
    }
    assert mongoku == {
        "uri": "mongodb+srv://me%40home@atlas.example/?retryWrites=true",
        "password_file": "/run/secrets/mongo_password",
    }


def test_an_authority_of_ones_own_is_named(tmp_path: Path) -> None:
    authority = {"ca": "/etc/ca.pem"}
    cluster, mongoku = written(tmp_path, kafka={**CLOUD["kafka"], **authority}, mongo={**CLOUD["mongo"], **authority})
    assert cluster["properties"]["ssl.truststore.location"] == "/etc/ca.pem"
    assert cluster["properties"]["ssl.truststore.type"] == "PEM"
    assert mongoku["uri"].endswith("/?retryWrites=true&tlsCAFile=%2Fetc%2Fca.pem")


def test_without_options_an_authority_is_the_first(tmp_path: Path) -> None:
    _, mongoku = written(tmp_path, mongo={"uri": "mongodb://a,b", "ca": "/ca.pem"})
    assert mongoku["uri"] == "mongodb://a,b/?tlsCAFile=%2Fca.pem"


def test_a_password_that_is_in_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentNotReadyError, match="env:SECRET is not a file"):
        written(tmp_path, kafka={**CLOUD["kafka"], "password": "env:SECRET"})
