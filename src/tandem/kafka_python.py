"""Creates kafka-python clients that survive outages and odd header keys."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from kafka import KafkaConsumer, KafkaProducer
from kafka.net.compat import KafkaNetClient
from kafka.net.inet import KafkaNetSocket
from kafka.net.transport import KafkaSSLTransport
from kafka.producer.transaction_manager import TransactionManager, TransactionState
from kafka.record.default_records import DefaultRecordBatch

_read_strictly = DefaultRecordBatch._read_msg
_connect_or_leak = KafkaNetSocket.sock_connect
_greet_or_leak = KafkaSSLTransport.handshake
_drop_id_for_good = TransactionManager.reset_producer_id


def new_client(kind: Callable[..., Any], **options: Any) -> Any:
    """Returns a client.

    The library (3.0.12) starts its thread before it looks for Kafka, and leaks it if it finds none. It also leaves the
    socket of each failed connection open. Retries during an outage would use up all file descriptors within the hour.

    It also requires a header's key to be UTF-8, which Kafka does not. One record with another key would keep a consumer
    from the rest of its partition. Such a key is read as Java's client reads it, with replacement characters.

    Args:
        kind: ``KafkaConsumer`` or ``KafkaAdminClient``.
        options: the client's.

    Raises:
        KafkaError: Kafka does not answer, or refuses the user.
    """
    DefaultRecordBatch._read_msg = _read
    KafkaNetSocket.sock_connect = _connect
    KafkaSSLTransport.handshake = _greet
    connections: list[KafkaNetClient] = []

    def connect(**arguments: Any) -> KafkaNetClient:
        connections.append(KafkaNetClient(**arguments))
        return connections[-1]

    try:
        return kind(**options, kafka_client=connect)
    except BaseException:
        for each in connections:
            each.close()
        raise


def new_producer(**options: Any) -> KafkaProducer:
    """Returns an idempotent producer.

    It has a producer id, which the library (3.0.12) drops if Kafka does not answer within the delivery timeout. The
    library asks for a new id in its first state only. So it would neither send nor give up the remaining records.

    Args:
        options: the client's.

    Raises:
        KafkaError: Kafka does not answer, or refuses the user.
    """
    TransactionManager.reset_producer_id = _drop_id
    return KafkaProducer(**options, enable_idempotence=True)


def _drop_id(manager: Any) -> None:
    """Drops a producer's id, so that it asks for a new one before it sends again."""
    with manager._lock:
        _drop_id_for_good(manager)
        manager._current_state = TransactionState.UNINITIALIZED


async def _connect(factory: Any, net: Any, sock: socket.socket, address: Any, timeout_at: float | None = None) -> Any:
    """Returns the connected socket; closes it if the connection fails."""
    try:
        return await _connect_or_leak(factory, net, sock, address, timeout_at=timeout_at)
    except BaseException:
        sock.close()
        raise


async def _greet(transport: Any) -> None:
    """Makes the TLS handshake; closes the connection if it fails."""
    try:
        await _greet_or_leak(transport)
    except BaseException:
        transport.close()
        raise


def _read(batch: Any) -> Any:
    """Returns the next record of a batch, whatever bytes its headers' keys are."""
    try:
        return _read_strictly(batch)
    except UnicodeDecodeError:
        # The position is still that of the record.
        batch._buffer = _Batch(batch._buffer)
        return _read_strictly(batch)


class _Batch(bytearray):
    """A batch's bytes; parts of it can be decoded, whatever they are."""

    def __getitem__(self, place: Any) -> Any:
        part = super().__getitem__(place)
        return _Part(part) if isinstance(place, slice) else part


class _Part(bytearray):
    def decode(self, encoding: str = "utf-8", _: str = "replace") -> str:
        return super().decode(encoding, "replace")


def reader(**options: Any) -> Any:
    """Returns a consumer that reads committed records only, as the job does.

    The end of a partition is then its last stable offset. An open transaction holds it back, and the job, too. The job
    could not reach an end behind the transaction.

    Args:
        options: the client's.

    Raises:
        KafkaError: Kafka does not answer, or refuses the user.
    """
    own = {"isolation_level": "read_committed", "enable_auto_commit": False, "allow_auto_create_topics": False}
    return new_client(KafkaConsumer, **own, **options)
