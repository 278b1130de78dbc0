"""Tests of the pipeline: `pytest`."""
