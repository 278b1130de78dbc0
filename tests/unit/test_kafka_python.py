"""What a client of Kafka leaves behind where there is no Kafka."""

from __future__ import annotations

import gc
import logging
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock, patch

import pytest
from kafka.errors import KafkaError
from kafka.producer.transaction_manager import TransactionManager
from kafka.record import MemoryRecords, MemoryRecordsBuilder

from tandem import kafka_python
from tandem.catalog import find
from tandem.dashboard.declaration import declared
from tandem.dashboard.state import PipelineState
from tandem.dashboard.topic_watch import TopicWatch
from tandem.errors import EnvironmentNotReadyError
from tandem.kafka_python import new_client, new_producer
from tandem.platforms import provision
from tandem.platforms.progress import lag
from tandem.platforms.provision import check_kafka
from tandem.platforms.service_checks import kafka_clock
from tandem.settings.load import load

SETTINGS = load("embedded", {"kafka": {"port": 29955}})


def watched() -> None:
    with pytest.raises(KafkaError):
        TopicWatch(SETTINGS.kafka, declared(find("orders_payments", Path("pipelines"))), PipelineState()).watch()


def administered() -> None:
    with pytest.raises(EnvironmentNotReadyError):
        check_kafka(SETTINGS.kafka, patience_ms=300)


def asked_for_lag() -> None:
    assert lag(SETTINGS.kafka, ["a"], {}) is None


def asked_for_time() -> None:
    with patch.object(provision, "LOOK_MS", 300), pytest.raises(KafkaError):
        kafka_clock(SETTINGS)


@pytest.mark.parametrize("look", [watched, administered, asked_for_lag, asked_for_time])
def test_a_failed_lookup_leaves_neither_threads_nor_sockets(
    look: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    # As our programs have it; what pytest captures would keep the errors, and with them the sockets.
    caplog.set_level(logging.CRITICAL, "kafka")
    gc.collect()
    threads, sockets = set(threading.enumerate()), open_sockets()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", ResourceWarning)
        look()
        assert set(threading.enumerate()) <= threads
        gc.collect()
    assert [str(each.message) for each in said] == []
    assert open_sockets() <= sockets


def open_sockets() -> set[str]:
    """Returns the names of this process's sockets, as the kernel has them."""
    names = (str(each.readlink()) for each in Path("/proc/self/fd").iterdir() if each.is_symlink())
    return {name for name in names if name.startswith("socket:")}


@pytest.mark.parametrize("compression", [0, 1], ids=["plain", "gzip"])
def test_a_headers_key_may_be_of_any_bytes(compression: int) -> None:
    builder = MemoryRecordsBuilder(2, compression, 1_000_000)
    keys = ["plain", "žluť", "!!!odd", "!!!odd", "behind"]
    for number, key in enumerate(keys):
        builder.append(number, b"key", b"value %d" % number, [(key, b"1"), ("empty", None)])
    # The marks are not UTF-8 on the wire.
    builder._builder._buffer = builder._builder._buffer.replace(b"!!!", b"\xff\xc3(")
    builder.close()
    new_client(lambda **_: None)  # as all our consumers are
    found = [record for batch in MemoryRecords(builder.buffer()) for record in batch]
    assert [(record.offset, record.key, record.value) for record in found] == [
        (number, b"key", b"value %d" % number) for number in range(len(keys))
    ]
    odd = "\ufffd\ufffd(odd"
    assert [record.headers for record in found] == [
        [(key, b"1"), ("empty", None)] for key in ("plain", "žluť", odd, odd, "behind")
    ]


@pytest.mark.parametrize("library_alone", [False, True])
def test_a_producer_whose_id_was_dropped_asks_for_another(monkeypatch: pytest.MonkeyPatch, library_alone: bool) -> None:
    """The library drops the id if Kafka answers after the delivery timeout. Alone it would never send again."""
    alone = TransactionManager.reset_producer_id
    monkeypatch.setattr(TransactionManager, "reset_producer_id", alone)
    monkeypatch.setattr(kafka_python, "KafkaProducer", MagicMock())
    new_producer()
    if library_alone:
        monkeypatch.setattr(TransactionManager, "reset_producer_id", alone)
    manager = TransactionManager()
    manager.init_producer_id()
    manager.next_request_handler(False).handle_response(SimpleNamespace(error_code=0, producer_id=1, producer_epoch=0))
    assert manager.has_producer_id()
    manager.reset_producer_id()
    manager.init_producer_id()
    assert (manager.next_request_handler(False) is None) == library_alone
