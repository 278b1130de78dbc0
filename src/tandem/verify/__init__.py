"""Computes the expected documents from the topics in plain Python and compares.

It needs no Spark.
"""
