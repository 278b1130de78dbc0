"""Writes a batch before Spark commits it: documents to MongoDB, dead letters to Kafka."""
