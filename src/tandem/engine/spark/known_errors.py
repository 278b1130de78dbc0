"""Recognizes known causes in the text of a query's error."""

from __future__ import annotations

import re

ANOTHER_DRIVER = "another driver uses the same checkpoint; this one stops"
INCOMPATIBLE = "the checkpoint was written by an incompatible version of the pipeline"
_AGAIN = "start with a new checkpoint: the job re-reads the topics and writes no duplicates (docs/guides/recovery.md)"
# By Spark's error classes and Kafka's exceptions. The first match counts. An error may quote a record, so each
# repetition here and below has a bound or a fixed start: no pattern scans to the end from every character.
_FINAL = (
    (
        r"KAFKA_MALFORMED_RECORD_TIMESTAMP|that overflows when converting to Spark's microsecond-precision",
        "a record's Kafka timestamp is too large for Spark, for example in nanoseconds: the topic has "
        "message.timestamp.type=CreateTime. Set LogAppendTime for new records; Spark cannot skip this one, so "
        "copy the other records to a new topic and start with a new checkpoint",
    ),
    (
        r"Some data may have been lost|KAFKA_DATA_LOSS|"
        r"OffsetOutOfRangeException|PARTITION_OFFSET_CHANGED|KafkaIllegalStateException",
        "records that the job had not read are gone from Kafka (retention, or a recreated topic): "
        f"the job does not continue without them; {_AGAIN}",
    ),
    (
        r"STATE_STORE_\w{0,80}SCHEMA\w{0,80}|STATE_STORE_INCOMPATIBLE\w{0,80}|"
        r"STREAMING_STATEFUL_OPERATOR_NOT_MATCH\w{0,80}|INCOMPATIBLE_LOG\w{0,80}|sources in the checkpoint offsets",
        f"{INCOMPATIBLE}; {_AGAIN}",
    ),
    (
        r"CANNOT_LOAD_STATE_STORE|CANNOT_LOAD_CHECKPOINT\w{0,80}|STATE_STORE_\w{0,80}CHECKSUM\w{0,80}|MALFORMED_LOG\w{0,80}|"
        r"Incomplete log|STREAMING_STATEFUL_OPERATOR_MISSING_STATE_DIRECTORY|CHECKPOINT_FILE_CHECKSUM\w{0,80}|"
        r"STREAM_STREAM_JOIN_INCONSISTENT\w{0,80}|Log file was malformed|batch \d{1,19} doesn't exist|"
        r"BATCH_METADATA_NOT_FOUND|STREAMING_CHECKPOINT\w{0,80}",
        f"the checkpoint is damaged; {_AGAIN}",
    ),
    (
        r"Not authorized to access (?:topics|group): [^\n\]]{1,200}\]?|(?:Topic|Group|Cluster)AuthorizationException",
        "Kafka does not allow the job's user to read a topic: grant READ and DESCRIBE on it (docs/guides/gcp.md lists "
        "the ACLs); then restart the job, it resumes where it stopped",
    ),
    (
        r"SaslAuthenticationException",
        "Kafka refuses kafka.username with this password; fix this and restart the job, it resumes where it stopped",
    ),
    (
        r"CONCURRENT_STREAM_LOG_UPDATE|Multiple streaming queries are concurrently using",
        ANOTHER_DRIVER,
    ),
)
# The messages of Hadoop's connector if Cloud Storage refuses a request or does not answer.
_STORAGE = re.compile(r"(?:\bError \w{1,80}ing (?:\w{1,80} ){0,9}|\bUpload failed for )'?(gs://[^\s']+)")
_STATUS = re.compile(r"GoogleJsonResponseException: (\d{3}[^\n]*)")
# A full disk, in an error of Java or RocksDB.
_FULL = re.compile(r"Exception: [^\n]{0,300}?(No space left on device|Disk quota exceeded)")
# Errors that say nothing about the files that Spark was about to load.
_NOT_LOADED = re.compile(
    r"Too many open files|Read-only file system|Permission denied|AccessDeniedException|Input/output error|"
    r"Stale file handle|ClosedByInterruptException|Interrupted(?:IO)?Exception|TaskKilledException|"
    r"UNRELEASED_THREAD_ERROR|FAILED_TO_GET_CHANGELOG_WRITER"
)
_RESUMES = "the next start resumes from the last committed batch"


def passing_reason(text: str) -> str | None:
    """Returns the cause if it may pass and says nothing about the checkpoint.

    Spark uses its error for damaged state for whatever fails while it loads state.
    """
    if storage := _STORAGE.search(text):
        status = _STATUS.search(text)
        return (
            f"Cloud Storage refused a request or did not answer{f' ({status[1]})' if status else ''}, about "
            f"{storage[1]}; {_RESUMES}"
        )
    if full := _FULL.search(text):
        return f"a disk of the driver or of an executor is full ({full[1]}): free some space; {_RESUMES}"
    if "CANNOT_LOAD_" in text and (found := _NOT_LOADED.findall(text)):
        return f"the checkpoint's state cannot be loaded ({', '.join(dict.fromkeys(found))}); {_RESUMES}"
    return None


def final_reason(text: str) -> str | None:
    """Returns the cause if a restart cannot help, and what to do; None if it may help."""
    for pattern, words in _FINAL:
        if match := re.search(pattern, text):
            return f"{words} [{match[0]}]"
    return None
