"""Runs programs on this machine and restarts them; knows nothing of what they are."""
