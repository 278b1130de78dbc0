"""Runs a pipeline as a stream; every platform submits this file unchanged."""

from tandem.engine.run.job import main

if __name__ == "__main__":
    main()
