"""Reconciles or replays. Submitted like the job, as a batch."""

from tandem.engine.run.batch import main

if __name__ == "__main__":
    main()
