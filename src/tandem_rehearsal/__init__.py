"""Runs the cloud's code path against local stand-ins, which speak Google's protocols."""
