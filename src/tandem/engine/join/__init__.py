"""The interval join of two streams."""
