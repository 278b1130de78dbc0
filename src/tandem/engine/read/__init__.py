"""Kafka's records to typed rows, or to rows set aside with a reason."""
