"""Fetches the jars that no Python wheel has; a lock pins them by checksum."""

from tandem.artifacts.cache import ensure_jars
from tandem.artifacts.lock import JarSet, locked

__all__ = ["JarSet", "ensure_jars", "locked"]
