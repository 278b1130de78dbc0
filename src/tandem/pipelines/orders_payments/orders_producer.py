"""Sends orders: ``python -m tandem.pipelines.orders_payments.orders_producer --help``."""

import sys

from tandem.pipelines.orders_payments.generator import events
from tandem.pipelines.orders_payments.streams import ORDERS
from tandem.producer.main import main

if __name__ == "__main__":
    sys.exit(main(ORDERS, events))
