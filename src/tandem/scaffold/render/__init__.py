"""Writes the modules of a pipeline that is declared from its records."""
