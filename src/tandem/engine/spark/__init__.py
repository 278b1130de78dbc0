"""The driver's Spark and Java: checkpoint, connections, failures, files, secrets and logs."""
