"""The settings of a connection, rendered for the libraries that make it."""

from __future__ import annotations

from typing import Any

from tandem.settings.model import KafkaSettings, MongoSettings
from tandem.settings.secrets import resolve


def kafka_client(kafka: KafkaSettings) -> dict[str, Any]:
    """Returns what every client of kafka-python is told about where the brokers are and how to log in.

    Raises:
        EnvironmentNotReadyError: the password is not where the settings say.
    """
    options: dict[str, Any] = {"bootstrap_servers": kafka.bootstrap, "security_protocol": kafka.security}
    if kafka.security == "SASL_SSL":
        options |= {"sasl_mechanism": kafka.mechanism, "sasl_plain_username": kafka.username}
        options |= {"sasl_plain_password": resolve(kafka.password)} if kafka.password else {}
        options |= {"ssl_cafile": str(kafka.ca)} if kafka.ca else {}
    return options


def mongo_client(mongo: MongoSettings) -> dict[str, Any]:
    """Returns what every client of pymongo is told about where the database is and how to log in.

    Raises:
        EnvironmentNotReadyError: the password is not where the settings say.
    """
    options: dict[str, Any] = {"host": mongo.uri}
    if mongo.username and mongo.password:
        options |= {"username": mongo.username, "password": resolve(mongo.password)}
    options |= {"tlsCAFile": str(mongo.ca)} if mongo.ca else {}
    return options
