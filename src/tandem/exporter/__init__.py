"""Exports metrics of Kafka and MongoDB to Prometheus."""
