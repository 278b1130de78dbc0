"""The dashboard: shows a pipeline's flow live. It only reads Kafka and MongoDB."""
