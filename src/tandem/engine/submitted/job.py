"""Runs a pipeline as a stream: the file submitted, unchanged, to every Spark."""

from tandem.engine.run.job import main

if __name__ == "__main__":
    main()
