"""Reads Kafka's records into typed rows, and rejects invalid records."""
