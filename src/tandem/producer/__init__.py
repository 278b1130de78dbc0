"""Sends generated records with kafka-python and keeps a ledger of every send."""
