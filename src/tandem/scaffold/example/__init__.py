"""Requests joined with their responses: one document for each response that came in time."""
