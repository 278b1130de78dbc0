"""Adds up sales by segment and minute: the file submitted, unchanged, to every Spark."""

from tandem.engine.run.job import main
from tandem.pipelines.segment_revenue.pipeline import PIPELINE

if __name__ == "__main__":
    main(PIPELINE)
