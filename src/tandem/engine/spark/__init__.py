"""The driver's Spark and Java: checkpoint, connections, failures and logs."""
