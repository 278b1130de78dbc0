"""Runs programs on this machine and restarts them.

It does not depend on the programs.
"""
