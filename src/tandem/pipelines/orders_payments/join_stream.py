"""Joins orders with payments and writes facts to MongoDB.

Every platform submits this file unchanged.
"""

from tandem.engine.run.job import main
from tandem.pipelines.orders_payments.transform import PIPELINE

if __name__ == "__main__":
    main(PIPELINE)
