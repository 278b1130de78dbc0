"""Connects a producer to Kafka, waiting for Kafka if necessary."""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection
from typing import Any, Self

import structlog
import tenacity
from kafka import KafkaProducer
from kafka.codec import has_lz4
from kafka.errors import AuthorizationError, KafkaError, KafkaTimeoutError, SaslAuthenticationFailedError

from tandem.errors import EnvironmentNotReadyError
from tandem.kafka_python import new_producer
from tandem.settings.connections import kafka_client
from tandem.settings.model import KafkaSettings

log = structlog.get_logger()

DEFAULT_DEADLINE_SECONDS = 30.0
_ATTEMPT_SECONDS = 2


def connect(
    kafka: KafkaSettings,
    topics: Collection[str],
    *,
    deadline: float = DEFAULT_DEADLINE_SECONDS,
    stop: threading.Event | None = None,
) -> KafkaProducer | None:
    """Returns an idempotent producer; None if ``stop`` was set before.

    It knows the topics.

    The topics must exist: one that the producer created would have the broker's default number of partitions.

    Args:
        kafka: Kafka's settings.
        topics: the topics to write to.
        deadline: how long to wait for Kafka and the topics, in seconds.
        stop: ends the wait early.

    Raises:
        EnvironmentNotReadyError: Kafka or a topic is missing at the deadline, or Kafka refuses the user.
    """
    stop = stop or threading.Event()
    waited = False

    def say_once(_: tenacity.RetryCallState) -> None:
        nonlocal waited
        if not waited:
            log.warning("waiting for Kafka", bootstrap=kafka.bootstrap, deadline_seconds=deadline)
        waited = True

    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(lambda error: isinstance(error, KafkaError) and not was_refused(error)),
        stop=tenacity.stop_after_delay(deadline) | tenacity.stop_when_event_set(stop),
        wait=tenacity.wait_fixed(0.5),
        sleep=tenacity.sleep_using_event(stop),
        before_sleep=say_once,
        reraise=True,
    )
    try:
        producer = retrying(_attempt, kafka_client(kafka), topics)
    except KafkaError as error:
        if stop.is_set():
            return None
        if was_refused(error):
            raise EnvironmentNotReadyError(
                f"Kafka at {kafka.bootstrap} refused the user {kafka.username}: {_reason(error)}",
                hint="check TANDEM_KAFKA__USERNAME and the password to which TANDEM_KAFKA__PASSWORD refers",
            ) from None
        raise EnvironmentNotReadyError(
            f"Kafka at {kafka.bootstrap} was not ready within {deadline:g} s: {_reason(error)}",
            hint="start it and create the topics with `tandem up`; check with `tandem status`",
        ) from None
    if waited:
        log.info("Kafka answers", bootstrap=kafka.bootstrap)
    return producer


def _attempt(client: dict[str, Any], topics: Collection[str]) -> KafkaProducer:
    with WhyNot() as why:
        try:
            producer = _producer(client)
        except KafkaTimeoutError as error:
            raise why.error or error from None
    for topic in topics:
        try:
            producer.partitions_for(topic)
        except KafkaTimeoutError:
            disconnect(producer, seconds=0)
            raise KafkaTimeoutError(f"it does not know the topic {topic}") from None
        except KafkaError:
            disconnect(producer, seconds=0)
            raise
    return producer


def disconnect(producer: KafkaProducer, *, seconds: float = 1.0) -> None:
    """Closes the producer within about ``seconds`` and drops the records still in flight."""
    try:
        producer.close(timeout=seconds)
    except KafkaError:
        # With records in flight, the client's close raises half-way, and its finaliser would try again and log errors.
        producer._closed = True  # noqa: SLF001, there is no public name


def _reason(error: KafkaError) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _producer(client: dict[str, Any]) -> KafkaProducer:
    return new_producer(
        **client,
        client_id="tandem-producer",
        acks="all",
        # Batches fill while the previous one is in flight; at a low rate, a record waits no longer than this.
        linger_ms=20,
        batch_size=256 * 1024,
        compression_type="lz4" if has_lz4() else None,
        # The client (3.0.12) does not forward this, so the brokers must reject it, too.
        allow_auto_create_topics=False,
        bootstrap_timeout_ms=_ATTEMPT_SECONDS * 1000,
        max_block_ms=_ATTEMPT_SECONDS * 1000,
        # With the default of 30 s, a restarted broker would stay unnoticed that long.
        reconnect_backoff_max_ms=1000,
        metrics_enabled=False,
    )


class WhyNot(logging.Handler):
    """Reads from the client's log why a connection failed.

    The client itself reports only a timeout.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.error: KafkaError | None = None
        self._logger = logging.getLogger("kafka.net.manager")

    def __enter__(self) -> Self:
        self._before = self._logger.level, self._logger.propagate
        self._logger.addHandler(self)
        self._logger.setLevel(logging.WARNING)
        self._logger.propagate = False
        return self

    def __exit__(self, *_: object) -> None:
        self._logger.removeHandler(self)
        self._logger.level, self._logger.propagate = self._before

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps the error of a log record."""
        errors = [each for each in record.args or () if isinstance(each, KafkaError)]
        # Errors after a refusal are its consequence: the broker closes the connection.
        if self.error is None or not was_refused(self.error):
            self.error = next((each for each in errors if not isinstance(each, KafkaTimeoutError)), self.error)


def was_refused(error: BaseException) -> bool:
    """Returns whether Kafka refuses the user, which waiting does not resolve."""
    return isinstance(error, SaslAuthenticationFailedError | AuthorizationError)
