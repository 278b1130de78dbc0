"""Names the pipeline's producer modules; each is run as a process of its own."""

PRODUCERS = ("orders_producer", "payment_producer")
