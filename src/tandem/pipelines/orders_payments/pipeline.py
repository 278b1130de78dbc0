"""The pipeline's declaration: what is read, how it is joined, what is written."""

from tandem.engine.pipeline import Output, Pipeline
from tandem.pipelines.orders_payments.streams import DEAD_LETTER_TOPIC, FACTS, STREAMS, UNMATCHED
from tandem.pipelines.orders_payments.transform import facts, transform, unmatched

PIPELINE = Pipeline(
    name="orders_payments",
    streams=STREAMS,
    transform=transform,
    outputs=(
        Output(collection=FACTS, documents=facts),
        Output(collection=UNMATCHED, documents=unmatched),
    ),
    dead_letter_topic=DEAD_LETTER_TOPIC,
)
