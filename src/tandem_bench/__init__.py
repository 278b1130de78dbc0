"""Measures the embedded profile beside its limits and peers."""
