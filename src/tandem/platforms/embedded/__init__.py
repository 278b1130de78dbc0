"""The embedded platform: Kafka, MongoDB and Spark as local processes, without Docker."""
