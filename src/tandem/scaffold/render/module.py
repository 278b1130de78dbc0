"""Fills the templates of a pipeline's modules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template

from tandem.scaffold.render.code import WIDTH, Code, Items, width, written

_TEMPLATES = Path(__file__).parent / "templates"


def filled(template: str, parts: Mapping[str, str]) -> str:
    """Returns the text of a module.

    Args:
        template: the path of the template; in it, ``$name`` stands for a part.
        parts: the texts by their names.
    """
    lines = Template((_TEMPLATES / template).read_text("utf-8")).substitute(parts).rstrip().split("\n")
    return "".join(f"{line}  # noqa: E501\n" if _is_too_long(line) else f"{line}\n" for line in lines)


def imports(*named: tuple[str, Sequence[str]]) -> str:
    """Returns the imports of names from modules, sorted.

    Nothing where there are no names.

    Args:
        named: modules and the names that are imported from each.
    """
    return "\n".join(_import(module, names) for module, names in sorted(named) if names)


def assigned(name: str, code: Code) -> str:
    """Returns the assignment of an expression at the top of a module."""
    return f"{name} = {written(code, before=len(name) + 3, after=0)}"


def _is_too_long(line: str) -> bool:
    """Returns whether the linter reports a line as too long.

    It does if the line has a very long name and something else.
    """
    return width(line) > WIDTH and " " in line.strip()


def _import(module: str, names: Sequence[str]) -> str:
    ordered = sorted(dict.fromkeys(names), key=_kind_and_name)
    line = f"from {module} import {', '.join(ordered)}"
    return line if width(line) <= WIDTH else written(Items(f"from {module} import (", ordered, ")", split=True))


def _kind_and_name(name: str) -> tuple[int, str, str]:
    """Returns the sort key of an import: constants, classes, functions."""
    return (0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2), name.lower(), name
