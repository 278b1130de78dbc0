"""The join."""
