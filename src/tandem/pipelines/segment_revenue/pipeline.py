"""The pipeline's declaration: what is read, looked up and written."""

from tandem.engine.declare.field_type import FieldType
from tandem.engine.declare.pipeline import Lookup, Output, Pipeline
from tandem.pipelines.segment_revenue.streams import CUSTOMER_SEGMENTS, DEAD_LETTER_TOPIC, REVENUE, STREAMS
from tandem.pipelines.segment_revenue.transform import minutes, transform

PIPELINE = Pipeline(
    name="segment_revenue",
    streams=STREAMS,
    transform=transform,
    outputs=(Output(collection=REVENUE, documents=minutes, window=("window_start", "window_end")),),
    dead_letter_topic=DEAD_LETTER_TOPIC,
    lookups=(
        Lookup(
            CUSTOMER_SEGMENTS,
            {"customer_id": FieldType.STRING, "segment": FieldType.STRING, "valid_from": FieldType.TIMESTAMP},
        ),
    ),
)
