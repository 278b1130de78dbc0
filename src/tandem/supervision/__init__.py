"""Runs programs on this machine and restarts them; independent of what the programs do."""
