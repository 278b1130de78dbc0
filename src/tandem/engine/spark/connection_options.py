"""Renders the connections to Kafka and MongoDB for their Java clients."""

from __future__ import annotations

from urllib.parse import quote

from tandem.engine.declare.job_config import JobConfig
from tandem.engine.spark.failure import JobError, MissingSecretError
from tandem.engine.spark.secrets import SecretError, SecretOutageError, resolve

LOGIN_MODULES = {
    "PLAIN": "org.apache.kafka.common.security.plain.PlainLoginModule",
    "SCRAM-SHA-256": "org.apache.kafka.common.security.scram.ScramLoginModule",
    "SCRAM-SHA-512": "org.apache.kafka.common.security.scram.ScramLoginModule",
}


def kafka_properties(config: JobConfig) -> dict[str, str]:
    """Returns the properties of every Java client of Kafka: the brokers and the login.

    Raises:
        JobError: the password cannot be read now.
        MissingSecretError: the password is not where the configuration says.
    """
    kafka = config.kafka
    properties = {"bootstrap.servers": kafka.bootstrap, "security.protocol": kafka.security}
    if kafka.username and kafka.password:
        login = f"username={quoted(kafka.username)} password={quoted(_secret(config, kafka.password))}"
        properties["sasl.mechanism"] = kafka.mechanism
        properties["sasl.jaas.config"] = f"{LOGIN_MODULES[kafka.mechanism]} required {login};"
    if kafka.ca:
        properties |= {"ssl.truststore.type": "PEM", "ssl.truststore.location": kafka.ca}
    return properties


def kafka_options(config: JobConfig) -> dict[str, str]:
    """Returns the same properties as options of Spark's Kafka source and sink."""
    return {f"kafka.{name}": value for name, value in kafka_properties(config).items()}


def mongo_uri(config: JobConfig) -> str:
    """Returns MongoDB's connection string with the login.

    Raises:
        JobError: the password cannot be read now.
        MissingSecretError: the password is not where the configuration says.
    """
    mongo = config.mongo
    if not (mongo.username and mongo.password):
        return mongo.uri
    scheme, separator, rest = mongo.uri.partition("://")
    login = f"{quote(mongo.username, safe='')}:{quote(_secret(config, mongo.password), safe='')}"
    return f"{scheme}{separator}{login}@{rest}"


def _secret(config: JobConfig, reference: str) -> str:
    try:
        return resolve(reference, config.metadata_url, config.secret_manager_url)
    except SecretOutageError as error:
        raise JobError(str(error)) from None
    except SecretError as error:
        raise MissingSecretError(str(error)) from None


def quoted(text: str) -> str:
    """Returns a text in quotes, as a JAAS file has it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
