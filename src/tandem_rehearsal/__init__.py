"""Runs the cloud's code against local stand-ins for Google."""
