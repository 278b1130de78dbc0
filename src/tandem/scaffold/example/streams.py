"""Declares the streams and the documents, without Spark.

Producers and the oracle also use it.
"""

from tandem.pipeline import Collection, Column, DocumentType, FieldType, Stream, Tally, View

REQUESTS = Stream(
    name="requests",
    topic="example_requests_v1",
    # A record that lacks one of these fields, or has another type in it, becomes a dead letter. Others are ignored.
    fields={
        "request_id": FieldType.STRING,
        "service": FieldType.STRING,
        "requested_at": FieldType.TIMESTAMP,
    },
    event_time="requested_at",
    identity="request_id",
)

RESPONSES = Stream(
    name="responses",
    topic="example_responses_v1",
    fields={
        "response_id": FieldType.STRING,
        "request_id": FieldType.STRING,
        "status": FieldType.INTEGER,
        "responded_at": FieldType.TIMESTAMP,
    },
    event_time="responded_at",
    identity="response_id",
)

STREAMS = (REQUESTS, RESPONSES)
DEAD_LETTER_TOPIC = "example_dead_letter_v1"

# The job checks its documents against these fields when it starts. The indexes are for readers.
ANSWERED = Collection(
    name="example_answered",
    fields={
        "request_id": DocumentType.STRING,
        "response_id": DocumentType.STRING,
        "service": DocumentType.STRING,
        "status": DocumentType.INTEGER,
        "requested_at": DocumentType.TIMESTAMP,
        "responded_at": DocumentType.TIMESTAMP,
        "duration_ms": DocumentType.INTEGER,
    },
    indexes=(("request_id",), ("service", "requested_at")),
)

UNANSWERED = Collection(
    name="example_unanswered",
    fields={
        "kind": DocumentType.STRING,
        "request_id": DocumentType.STRING,
        "service": DocumentType.STRING,
        "requested_at": DocumentType.TIMESTAMP,
        "response_id": DocumentType.STRING,
        "status": DocumentType.INTEGER,
        "responded_at": DocumentType.TIMESTAMP,
    },
    indexes=(("request_id",), ("kind",)),
)

COLLECTIONS = (ANSWERED, UNANSWERED)

# What the dashboard shows.
VIEW = View(
    title="example",
    results=ANSWERED,
    noun="answers",
    columns=(
        Column("request_id", "Request"),
        Column("service", "Service"),
        Column("status", "Status"),
        Column("requested_at", "Requested"),
        Column("duration_ms", "Milliseconds"),
    ),
    event_times=("requested_at", "responded_at"),
    key="request_id",
    key_title="Request id",
    leftovers=UNANSWERED,
    tallies={
        "requests": Tally(matched="request_id", many=True, leftover={"kind": "request"}),
        "responses": Tally(matched="response_id", many=False, leftover={"kind": "response"}),
    },
)
