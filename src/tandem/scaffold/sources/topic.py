"""Reads sample records from a topic of a running environment."""

from __future__ import annotations

from tandem.engine.declare.control_record import CONTROL_KEY
from tandem.engine.declare.wire_format import MAGIC
from tandem.errors import UsageError
from tandem.scaffold.described import Described
from tandem.scaffold.infer.observed import Sample
from tandem.scaffold.infer.outliers import usual
from tandem.scaffold.names import stream_name
from tandem.scaffold.sources.samples import MOST_RECORDS, Samples, described_by_samples, record_in
from tandem.settings.model import KafkaSettings
from tandem.verify.topics import TopicReader


def described_by_topic(kafka: KafkaSettings, topic: str) -> Described:
    """Returns what a topic's newest records say of a stream.

    The stream then reads this topic.

    Records that are no JSON objects are skipped, for they become dead letters.

    Raises:
        UsageError: the topic has no records in JSON.
        EnvironmentNotReadyError: Kafka does not answer, or has no such topic.
    """
    records, others, is_framed = [], 0, False
    with TopicReader(kafka, topic) as reader:
        first, ends = reader.beginnings(), reader.ends()
        share = max(1, MOST_RECORDS // len(ends))
        start = {partition: max(first[partition], end - share) for partition, end in ends.items()}
        for each in reader.read(start, ends):
            if each.key == CONTROL_KEY:
                continue
            try:
                fields = record_in((each.value or b"").decode())
            except ValueError:
                others, is_framed = others + 1, is_framed or (each.value or b"").startswith(MAGIC)
            else:
                records.append(Sample(f"partition {each.partition}, offset {each.offset}", fields))
    if not records:
        why = f"has {others:,} records, none of them a JSON object" if others else "has no records"
        hint = "they look framed by a schema registry" if is_framed else "send some records in JSON first"
        raise UsageError(f"the topic {topic} {why}", hint=f"{hint}; or give a file of samples or a schema")
    like_others = usual(records)
    note = f"{len(like_others):,} records, the newest of the topic"
    if others:
        note += f"; {others:,} others are no JSON objects"
    if unlike := len(records) - len(like_others):
        note += f"; {unlike:,} others lack a field that nearly all have, or have another type in it"
    return described_by_samples(f"topic {topic}", stream_name(topic), Samples(like_others, note), topic)
