"""Pipelines, one folder each: streams, transform, declaration, entry modules, generator and oracle."""
