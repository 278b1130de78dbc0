"""Parses JSON and TOML that users and other programs have written."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tandem.errors import UsageError

# No document of ours is nested this deep; what handles a document is recursive.
_DEEPEST = 50


def parse_json(text: str | bytes) -> Any:
    """Returns the value of a JSON text.

    Raises:
        ValueError: it is not JSON, is nested too deep or has a number of thousands of digits; the message says which.
    """
    return _parsed(json.loads, text)


def read_toml(file: Path, hint: str) -> dict[str, Any]:
    """Returns what a user's TOML file holds; empty if it does not exist.

    Raises:
        UsageError: it cannot be read; the message names the file.
    """
    try:
        return _parsed(tomllib.loads, file.read_text("utf-8-sig"))  # type: ignore[no-any-return]  # TOML has tables
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}", hint=hint) from None
    except ValueError as error:
        raise UsageError(f"{file}: {error}", hint=hint) from None


def _parsed(parse: Callable[[Any], Any], text: str | bytes) -> Any:
    try:
        document = parse(text)
    except (json.JSONDecodeError, tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise
    except RecursionError:
        raise ValueError("nested too deep") from None
    except ValueError:
        # What remains is Python's limit; its message is about Python.
        raise ValueError("a number has too many digits") from None
    level = [document]
    for _ in range(_DEEPEST):
        level = [inner for each in level for inner in _inside(each)]
    if level:
        raise ValueError("nested too deep")
    return document


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
