"""One batch: documents to MongoDB, dead letters to Kafka, then the commit."""
