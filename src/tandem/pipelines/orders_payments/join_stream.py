"""Joins orders with payments and writes the facts to MongoDB: the file submitted, unchanged, to every Spark."""

from tandem.engine.run.job import main
from tandem.pipelines.orders_payments.transform import PIPELINE

if __name__ == "__main__":
    main(PIPELINE)
