"""Sends traces, metrics and lineage, if the settings name an address."""
