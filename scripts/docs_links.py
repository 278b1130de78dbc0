"""A hook of MkDocs: makes a link to a file of the repository one to the page that shows it."""

from __future__ import annotations

from typing import Any

_PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Returns a page's text with such links; MkDocs calls it once what the page includes is in it."""
    up = "../" * page.file.src_uri.count("/")
    for file, shown in _PAGES.items():
        markdown = markdown.replace(f"]({up}../{file}", f"]({up}{shown}")
    return markdown
