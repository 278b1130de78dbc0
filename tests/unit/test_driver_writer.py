"""When the driver makes a connector's writer anew."""

from __future__ import annotations

from typing import Any
from unittest.mock import MagicMock

import pytest
from py4j.protocol import Py4JError

from tandem.engine.write.driver_writer import KAFKA, MONGODB, DriverWriter


def writer_of(provider: str) -> tuple[DriverWriter, MagicMock, Any]:
    """Returns a writer, the Java writers' factory, and rows that are not empty."""
    writer = DriverWriter(MagicMock(), provider, {})
    factory = MagicMock()
    vars(writer)["_factory"] = factory
    rows = MagicMock()
    rows.isEmpty.return_value = False
    return writer, factory, rows


def test_mongodbs_writer_takes_the_next_batch() -> None:
    writer, factory, rows = writer_of(MONGODB)
    java = MagicMock()
    factory.createWriter.side_effect = [java]
    writer.write(rows)
    writer.write(rows)
    assert java.commit.call_count == 2
    java.close.assert_not_called()
    writer.close()
    writer.close()
    java.close.assert_called_once_with()


def test_kafkas_writer_gives_its_producer_back() -> None:
    writer, factory, rows = writer_of(KAFKA)
    made = [MagicMock(), MagicMock()]
    factory.createWriter.side_effect = made
    writer.write(rows)
    writer.write(rows)
    for java in made:
        java.commit.assert_called_once_with()
        java.close.assert_called_once_with()


def test_a_writer_that_failed_is_not_used_again() -> None:
    writer, factory, rows = writer_of(MONGODB)
    failing, next_one = MagicMock(), MagicMock()
    failing.commit.side_effect = [None, Py4JError("MongoDB does not answer")]
    factory.createWriter.side_effect = [failing, next_one]
    writer.write(rows)
    with pytest.raises(Py4JError):
        writer.write(rows)
    failing.close.assert_called_once_with()
    writer.write(rows)
    next_one.commit.assert_called_once_with()


def test_a_client_of_a_java_that_has_ended_needs_no_release() -> None:
    writer, factory, rows = writer_of(MONGODB)
    java = MagicMock()
    java.close.side_effect = Py4JError("Java has ended")
    factory.createWriter.side_effect = [java]
    writer.write(rows)
    writer.close()
