"""The pipeline's declaration: what is read, what becomes of it, what is written."""

from tandem.engine.declare.pipeline import Output, Pipeline, SupersededBy
from tandem.scaffold.example.streams import ANSWERED, DEAD_LETTER_TOPIC, STREAMS, UNANSWERED
from tandem.scaffold.example.transform import answered, no_longer_unanswered, transform, unanswered

PIPELINE = Pipeline(
    name="example",
    streams=STREAMS,
    transform=transform,
    outputs=(
        Output(collection=ANSWERED, documents=answered),
        Output(
            collection=UNANSWERED,
            documents=unanswered,
            superseded_by=SupersededBy(collection=ANSWERED, ids=no_longer_unanswered),
        ),
    ),
    dead_letter_topic=DEAD_LETTER_TOPIC,
    keeps_aside=True,
)
