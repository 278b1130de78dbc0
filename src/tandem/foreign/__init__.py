"""What becomes of variables that were set for other programs: Spark's, Java's, Python's, Docker's, and proxies."""

from tandem.foreign.variables import inherited as inherited
