"""Joins orders that have items with their shipments."""
