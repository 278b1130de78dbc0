"""Infers the declaration of a stream from its records."""
