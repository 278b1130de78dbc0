"""Runs programs on this machine and restarts them.

Independent of what the programs do.
"""
