"""The settings of a connection, rendered for the libraries that make it, with the secrets that they name."""

from __future__ import annotations

from typing import Any

from tandem.engine.spark import secrets
from tandem.errors import EnvironmentNotReadyError
from tandem.settings.model import KafkaSettings, MongoSettings, Reference


def kafka_client(kafka: KafkaSettings) -> dict[str, Any]:
    """Returns the arguments of every kafka-python client: the brokers and the login.

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
    """Returns the arguments of every pymongo client: the database and the login.

    Raises:
        EnvironmentNotReadyError: the password is not where the settings say.
    """
    options: dict[str, Any] = {"host": mongo.uri}
    if mongo.username and mongo.password:
        options |= {"username": mongo.username, "password": resolve(mongo.password)}
    options |= {"tlsCAFile": str(mongo.ca)} if mongo.ca else {}
    return options


def resolve(reference: Reference) -> str:
    """Returns the secret itself; see ``engine.spark.secrets.resolve``, which the job uses where it runs.

    Raises:
        EnvironmentNotReadyError: it is not there, or empty, or of Secret Manager, which is for the job only.
    """
    if reference.startswith("gsm:"):
        raise EnvironmentNotReadyError(
            f"the secret {reference} is for the job; nothing on this machine reads Secret Manager",
            hint="name it in kafka.job_password or mongo.job_password, and in ...password a place on this machine",
        )
    try:
        return secrets.resolve(reference)
    except secrets.SecretError as error:
        raise EnvironmentNotReadyError(str(error), hint="set it, or name another place") from None
