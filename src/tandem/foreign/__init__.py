"""Handles variables set for other programs: Spark, Java, Python, Docker, and proxies."""

from tandem.foreign.inheritance import inherited as inherited
