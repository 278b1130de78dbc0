"""The limits of the job: parts of its work alone, as programs that are run by path."""
