"""Names the pipeline's producer module, run as a process of its own, and the sample documents of what it looks up."""

from tandem.pipelines.segment_revenue.generator import customer_segments
from tandem.pipelines.segment_revenue.streams import CUSTOMER_SEGMENTS

PRODUCERS = ("sales_producer",)
LOOKUPS = {CUSTOMER_SEGMENTS: customer_segments}
