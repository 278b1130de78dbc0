"""The JSON Schema of ``tandem.toml``, with which editors complete and check it."""

from __future__ import annotations

import ast
import inspect
import json
from collections.abc import Collection
from itertools import pairwise
from typing import Any

from pydantic import BaseModel

from tandem.settings.model import FOUND, Settings
from tandem.settings.own_profiles import LARGEST_OFFSET, NAME, NOT_SET, TAKEN
from tandem.settings.sources import fields, is_section


def schema_text(packaged: Collection[str]) -> str:
    """Returns the text of the JSON Schema."""
    return json.dumps(json_schema(packaged), indent=2) + "\n"


def json_schema(packaged: Collection[str]) -> dict[str, Any]:
    """Returns the JSON Schema of the user's file of profiles.

    Args:
        packaged: the names of the profiles that come with Tandem.
    """
    sections = {kind.__name__: kind for _, kind in fields() if is_section(kind)}
    schema = Settings.model_json_schema()
    settings = _differences(schema, Settings)["properties"]
    for name in (*FOUND, *NOT_SET):
        del settings[name]
    profile = {
        "type": "object",
        "required": ["like"],
        "additionalProperties": False,
        "properties": {
            "like": {
                "description": "The profile to inherit from: a packaged one, or another of this file.",
                "anyOf": [{"enum": list(packaged)}, {"type": "string", "pattern": _whole(NAME.pattern)}],
            },
            "port_offset": {
                "description": "A number that is added to each port on this machine.",
                "type": "integer",
                "minimum": 1,
                "maximum": LARGEST_OFFSET,
            },
            **settings,
        },
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "tandem.toml",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "profile": {
                "type": "object",
                "additionalProperties": False,
                "propertyNames": {"not": {"enum": [*packaged, *TAKEN]}},
                "patternProperties": {_whole(NAME.pattern): profile},
            }
        },
        "$defs": {name: _differences(schema["$defs"][name], kind) for name, kind in sections.items()},
    }


def _whole(pattern: str) -> str:
    return f"^({pattern})$"


def _differences(schema: dict[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """Returns a model's schema with descriptions.

    A profile sets only differences, so nothing is required and there are no defaults.
    """
    descriptions = _descriptions(model)
    properties = {}
    for name, each in schema["properties"].items():
        kept = {key: value for key, value in each.items() if key not in ("default", "title")}
        properties[name] = kept | ({"description": descriptions[name]} if name in descriptions else {})
    rest = {key: value for key, value in schema.items() if key not in ("required", "title", "$defs")}
    return rest | {"properties": properties}


def _descriptions(model: type[BaseModel]) -> dict[str, str]:
    """Returns the docstrings below a model's fields by the fields' names."""
    found = {}
    for definition in ast.parse(inspect.getsource(model)).body:
        for pair in pairwise(getattr(definition, "body", ())):
            match pair:
                case (ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text)))):
                    found[name] = " ".join(text.replace("``", "`").split())
    return found
