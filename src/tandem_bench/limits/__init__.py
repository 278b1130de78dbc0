"""What bounds the job: parts of its work, alone. Programs, run by path."""
