"""Sends payments; ``--help`` lists the options."""

import sys

from tandem.pipelines.orders_payments.generator import events
from tandem.pipelines.orders_payments.streams import PAYMENTS
from tandem.producer.main import main

if __name__ == "__main__":
    sys.exit(main(PAYMENTS, events))
