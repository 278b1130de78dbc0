"""Writes a result: one JSON file, and a chart of each part."""

from __future__ import annotations

import json
from pathlib import Path

from tandem.errors import UsageError
from tandem_bench.picture import draw
from tandem_bench.result import Result


def write(result: Result, folder: Path) -> list[Path]:
    """Returns the files that were written.

    Raises:
        UsageError: the folder cannot be written.
    """
    texts = {"bench.json": json.dumps(result.to_json(), indent=2) + "\n"}
    texts |= {f"{part.name}.svg": draw(part, result.about) for part in result.parts}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, "utf-8")
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror}", hint="choose another --out") from None
    return [folder / name for name in texts]
