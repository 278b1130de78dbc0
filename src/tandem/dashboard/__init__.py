"""The live page: what flows through the pipeline, read from MongoDB and Kafka, and written nowhere."""
