"""The pipeline's declaration: what is read, how it is joined, what is written."""

from tandem.engine.declare.pipeline import Output, Pipeline, SupersededBy
from tandem.pipelines.orders_payments.streams import DEAD_LETTER_TOPIC, FACTS, STREAMS, UNMATCHED
from tandem.pipelines.orders_payments.transform import facts, no_longer_unmatched, transform, unmatched

PIPELINE = Pipeline(
    name="orders_payments",
    streams=STREAMS,
    transform=transform,
    outputs=(
        Output(collection=FACTS, documents=facts),
        Output(
            collection=UNMATCHED,
            documents=unmatched,
            superseded_by=SupersededBy(collection=FACTS, ids=no_longer_unmatched),
        ),
    ),
    dead_letter_topic=DEAD_LETTER_TOPIC,
    keeps_aside=True,
)
