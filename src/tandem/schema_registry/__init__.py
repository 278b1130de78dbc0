"""Reads a schema registry with Confluent's API, and freezes its schemas."""

from tandem.schema_registry.check import check
from tandem.schema_registry.client import Registry
from tandem.schema_registry.pull import pull
from tandem.schema_registry.subjects import declared_formats

__all__ = ["Registry", "check", "declared_formats", "pull"]
