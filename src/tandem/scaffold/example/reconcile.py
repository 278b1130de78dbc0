"""Repairs what late records have left; submitted like ``join_stream``, as a batch."""

from tandem.engine.run.reconcile import main
from tandem.scaffold.example.pipeline import PIPELINE

if __name__ == "__main__":
    main(PIPELINE)
