"""Joins orders with their payments: one fact for each pair within the match window."""
