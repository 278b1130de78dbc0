"""Sends traces, metrics and lineage to other programs, if the settings name an address."""
