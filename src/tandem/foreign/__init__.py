"""Handles variables that are set for other programs, and proxies."""

from tandem.foreign.inheritance import inherited as inherited
