"""Computes the expected documents from the topics in plain Python and compares.

No Spark.
"""
