"""Computes in plain Python, from the topics, what MongoDB must hold, and compares. No Spark."""
