"""Repairs what late sales, or a correction of segments, have left; submitted like ``join_stream``, as a batch."""

from tandem.engine.run.reconcile import main
from tandem.pipelines.segment_revenue.pipeline import PIPELINE

if __name__ == "__main__":
    main(PIPELINE)
