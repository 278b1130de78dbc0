"""Repairs the documents that late records affect.

Submitted like the job, as a batch.
"""

from tandem.engine.run.reconcile import main

if __name__ == "__main__":
    main()
