"""Writes a batch before its commit: documents, and dead letters."""
