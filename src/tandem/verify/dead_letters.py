"""Compares dead letters with the expected ones."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from tandem.verify.coverage import Coverage
from tandem.verify.intake import Letter
from tandem.verify.report import Kind, Problems
from tandem.verify.topics import TopicRecord

# The key of a dead letter: a topic, a partition and an offset.
_KEY = re.compile(rb"(.+)-([0-9]{1,10})-([0-9]{1,19})", re.DOTALL)


def compare_letters(
    topic: str,
    letters: Iterable[TopicRecord],
    due: Mapping[bytes, Letter],
    coverage: Coverage,
    problems: Problems,
) -> int:
    """Adds the differences between dead letters and the expected ones.

    Returns the number of missing ones that Kafka may have removed.

    Args:
        topic: the topic of the dead letters.
        letters: its records.
        due: the expected dead letters, by key.
        coverage: what the records can say.
        problems: gets the differences.
    """
    seen: Counter[bytes] = Counter()
    for letter in letters:
        key = letter.key or b""
        expected = due.get(key)
        if expected is None:
            source, partition, offset = _place(key)
            if offset >= coverage.beginnings.get(source, {}).get(partition, 0):
                problems.add(Kind.INVENTED, topic, key.decode(errors="replace"))
            continue
        seen[key] += 1
        if seen[key] > 1:
            problems.add(Kind.DOUBLED, topic, key.decode())
            continue
        # The record's own headers come first, so that the contract's win.
        headers = {name: value.decode(errors="replace") for name, value in letter.headers if value is not None}
        differing = [name for name, text in expected.headers.items() if headers.get(name) != text]
        differing += ["detail"] if "detail" not in headers else []
        differing += ["value"] if letter.value != expected.value else []
        if differing:
            problems.add(Kind.WRONG, topic, key.decode(), ", ".join(differing))
    removed = 0
    for key in due.keys() - seen.keys():
        # A dead letter arrives after its record. So it is there if it has arrived after the oldest one left.
        if coverage.letters_ms is not None and due[key].arrived_ms < coverage.letters_ms:
            removed += 1
        else:
            problems.add(Kind.LOST, topic, key.decode())
    return removed


def _place(key: bytes) -> tuple[str, int, int]:
    """Returns the topic, the partition and the offset in a dead letter's key.

    The topic is empty for another key.
    """
    parts = _KEY.fullmatch(key)
    return (parts[1].decode(errors="replace"), int(parts[2]), int(parts[3])) if parts else ("", 0, 0)
