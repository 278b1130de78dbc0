"""Runs a Spark driver on this machine with fitting Java and jars."""
