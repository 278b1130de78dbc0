"""Containers on this machine, described in compose/ and run by Docker Compose."""
