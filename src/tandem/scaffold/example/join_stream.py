"""Runs the pipeline as a stream: the file submitted, unchanged, to every Spark."""

from tandem.engine.run.job import main
from tandem.scaffold.example.pipeline import PIPELINE

if __name__ == "__main__":
    main(PIPELINE)
