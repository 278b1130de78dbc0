"""The ledger file."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tandem.errors import UsageError
from tandem.producer.ledger import Entry, Ledger, Outcome, Record, read_ledger

RECORD = Record("topic", b"key", b"value", 'id|"é', "malformed:empty")


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    with Ledger(path) as ledger:
        ledger.write(RECORD, Outcome.ACKED, 2, 41)
        ledger.write(Record("topic", b"key", None, "b", "valid"), Outcome.UNKNOWN)
    digest = hashlib.sha256(b"value").hexdigest()
    assert list(read_ledger(path)) == [
        Entry('id|"é', "topic", 2, 41, digest, "malformed:empty", Outcome.ACKED),
        Entry("b", "topic", None, None, None, "valid", Outcome.UNKNOWN),
    ]
    first = json.loads(path.read_text("utf-8").splitlines()[0])
    assert list(first) == ["id", "topic", "partition", "offset", "hash", "class", "outcome"]


def test_a_ledger_is_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    for _ in range(2):
        with Ledger(path) as ledger:
            ledger.write(RECORD, Outcome.FAILED)
    assert len(list(read_ledger(path))) == 2


def test_a_file_that_cannot_be_written_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        Ledger(tmp_path / "absent" / "ledger.jsonl")


def test_without_a_path_nothing_is_kept() -> None:
    with Ledger(None) as ledger:
        ledger.write(RECORD, Outcome.ACKED)
