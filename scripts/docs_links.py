"""A hook of MkDocs that replaces links to the repository's files by links to their pages."""

from __future__ import annotations

from typing import Any

_PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Returns a page's text with the replaced links; MkDocs calls it after including other files."""
    up = "../" * page.file.src_uri.count("/")
    for file, shown in _PAGES.items():
        markdown = markdown.replace(f"]({up}../{file}", f"]({up}{shown}")
    return markdown
