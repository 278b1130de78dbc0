"""Names the pipeline's producer modules; each is run as a process of its own."""

PRODUCERS = ("requests_producer", "responses_producer")
