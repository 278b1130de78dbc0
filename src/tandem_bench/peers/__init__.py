"""Other ways to do the job's work. Programs, run by path; each imports only what it would need elsewhere."""
