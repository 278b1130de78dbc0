"""Chooses the records of a replay, and verifies and compares its documents."""
