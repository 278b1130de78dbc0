"""A hook of MkDocs that replaces links to the repository's files by links to their pages."""

from __future__ import annotations

from typing import Any

_PAGES = {"](../README.md": "](index.md", "](../CONTRIBUTING.md": "](decisions.md"}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Returns a page's text with the replaced links; MkDocs calls it after including other files."""
    for file, page in _PAGES.items():
        markdown = markdown.replace(file, page)
    return markdown
