"""A hook of MkDocs: what is a link to a file of the repository becomes one to the page that shows it."""

from __future__ import annotations

from typing import Any

_PAGES = {"](../README.md": "](index.md", "](../CONTRIBUTING.md": "](decisions.md"}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Returns a page's text with such links; MkDocs calls it once what the page includes is in it."""
    for file, page in _PAGES.items():
        markdown = markdown.replace(file, page)
    return markdown
