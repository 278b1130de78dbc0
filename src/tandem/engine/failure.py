"""Why a query failed, in one line for the log and the progress; and whether to start it again can help."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.errors import StreamingQueryException

# The exit codes of the job.
FAILED = 1
# To go on would lose data, or fail the same way for ever; a supervisor should not try.
MUST_NOT_GO_ON = 4

_AGAIN = "with a new checkpoint the job begins at the topics' beginning and doubles nothing (README, The way back)"
# By Spark's error classes and Kafka's exceptions. The first that is found counts.
_FINAL = (
    (
        r"Some data may have been lost|KAFKA_DATA_LOSS|"
        r"OffsetOutOfRangeException|PARTITION_OFFSET_CHANGED|KafkaIllegalStateException",
        "records that the job had not read are gone from Kafka (retention, or a topic that was created anew): "
        f"it does not go on without them; {_AGAIN}",
    ),
    (
        r"STATE_STORE_\w*SCHEMA\w*|STATE_STORE_INCOMPATIBLE\w*|STREAMING_STATEFUL_OPERATOR_NOT_MATCH\w*|INCOMPATIBLE_LOG\w*",
        f"the checkpoint was made by another, incompatible version of the pipeline; {_AGAIN}",
    ),
    (
        r"CANNOT_LOAD_STATE_STORE|CANNOT_LOAD_CHECKPOINT\w*|STATE_STORE_\w*CHECKSUM\w*|MALFORMED_LOG\w*|Incomplete log|"
        r"Log file was malformed|batch \d+ doesn't exist|BATCH_METADATA_NOT_FOUND|STREAMING_CHECKPOINT\w*",
        f"the checkpoint is damaged; {_AGAIN}",
    ),
    (
        r"CONCURRENT_STREAM_LOG_UPDATE|Multiple streaming queries are concurrently using",
        "another driver uses the same checkpoint; this one stops",
    ),
)
_LIMIT = 500


@dataclass(frozen=True)
class Failure:
    """A failed query.

    Attributes:
        reason: one line, without payloads.
        exit_code: ``FAILED`` or ``MUST_NOT_GO_ON``.
    """

    reason: str
    exit_code: int = FAILED


def failure_of(error: StreamingQueryException) -> Failure:
    """Returns what ended the query: our own error where it is one, what we know of Spark's, else its first line."""
    text = str(error)
    own = re.search(r"SinkError: (.+)", text)
    if own:
        return Failure(own.group(1)[:_LIMIT])
    for pattern, words in _FINAL:
        if found := re.search(pattern, text):
            return Failure(f"{words} [{found.group(0)}]", MUST_NOT_GO_ON)
    return Failure(text.strip().splitlines()[0][:_LIMIT])
