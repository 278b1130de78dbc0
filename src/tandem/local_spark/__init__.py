"""Runs a Spark driver on this machine with a Java, jars and settings that fit each other."""
