"""Joins orders with their payments within the match window."""
