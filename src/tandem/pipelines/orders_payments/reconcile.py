"""Repairs what late orders and payments have left; submitted like ``join_stream``, as a batch."""

from tandem.engine.run.reconcile import main
from tandem.pipelines.orders_payments.pipeline import PIPELINE

if __name__ == "__main__":
    main(PIPELINE)
