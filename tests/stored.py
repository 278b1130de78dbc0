"""What MongoDB would hold, in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from typing import Any

from tandem.verify.oracle import Observed


class Stored(Observed):
    """Collections by name."""

    def __init__(self, **collections: list[dict[str, Any]]) -> None:
        self._collections = collections

    def __getitem__(self, collection: str) -> Set[str]:
        return {document["_id"] for document in self._collections[collection]}

    def __iter__(self) -> Iterator[str]:
        return iter(self._collections)

    def __len__(self) -> int:
        return len(self._collections)

    def documents(self, collection: str) -> Iterable[dict[str, Any]]:
        return self._collections.get(collection, [])
