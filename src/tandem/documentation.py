"""Finds the pages of the documentation, which an installed Tandem has with it."""

from __future__ import annotations

import re
from pathlib import Path

from tandem.checkout import checkout

PACKAGED = Path(__file__).parent / "docs"
_PAGE = re.compile(r"(?<![\w/.])docs/(?=[\w/-]+\.(?:md|ipynb)\b)")


def located(text: str) -> str:
    """Returns a message with the paths of pages as this machine has them.

    Messages name pages as the checkout has them, for example those of a job that runs elsewhere.
    """
    # The copy of the source in containers has no pages.
    return text if checkout() or not PACKAGED.is_dir() else _PAGE.sub(f"{PACKAGED}/", text)
