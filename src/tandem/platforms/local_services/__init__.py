"""Kafka, MongoDB, the driver and the dashboard as processes on this machine."""
