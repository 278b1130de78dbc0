"""Renders the settings of connections for the client libraries."""

from __future__ import annotations

from typing import Any

from tandem.engine.spark import secrets
from tandem.errors import EnvironmentNotReadyError
from tandem.settings.model import KafkaSettings, MongoSettings, Reference


def kafka_client(kafka: KafkaSettings) -> dict[str, Any]:
    """Returns the arguments of every kafka-python client: the brokers and the login.

    Raises:
        EnvironmentNotReadyError: the password's reference leads to no secret.
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
        EnvironmentNotReadyError: the password's reference leads to no secret.
    """
    options: dict[str, Any] = {"host": mongo.uri}
    if mongo.username and mongo.password:
        options |= {"username": mongo.username, "password": resolve(mongo.password)}
    options |= {"tlsCAFile": str(mongo.ca)} if mongo.ca else {}
    return options


def resolve(reference: Reference) -> str:
    """Returns the secret that a reference names, on this machine.

    The job uses ``engine.spark.secrets.resolve``.

    Raises:
        EnvironmentNotReadyError: it is missing or empty, or in Secret Manager, which only the job reads.
    """
    if reference.startswith("gsm:"):
        raise EnvironmentNotReadyError(
            f"cannot read {reference}: nothing on this machine reads Secret Manager",
            hint="name a secret on this machine (env:VARIABLE or file:PATH); only kafka.job_password and "
            "mongo.job_password may be in Secret Manager",
        )
    try:
        return secrets.resolve(reference)
    except secrets.SecretError as error:
        raise EnvironmentNotReadyError(str(error), hint="set it, or name another place") from None
