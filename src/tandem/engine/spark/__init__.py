"""Spark, Java, files, secrets and logs."""
