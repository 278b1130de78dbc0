"""Names the pipeline's producers; each is run as a process of its own."""

PRODUCERS = (
    "tandem.pipelines.orders_payments.orders_producer",
    "tandem.pipelines.orders_payments.payment_producer",
)
