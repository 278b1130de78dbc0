"""Verifies many records in several processes, part by part, with bounded memory."""
