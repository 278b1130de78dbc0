"""The jars that are not in a Python wheel: resolved once, pinned by checksum, kept in the cache."""

from tandem.artifacts.cache import ensure_jars
from tandem.artifacts.lock import JarSet, locked

__all__ = ["JarSet", "ensure_jars", "locked"]
