"""Finds records of a topic that will become dead letters, as they are unusual."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from tandem.engine.declare.kind import DATE_PATTERN
from tandem.scaffold.infer.observed import Sample
from tandem.verify.field_values import micros
from tandem.verify.strict_json import Number

# Fewer records do not show what is usual.
_ENOUGH = 100
# A field is usual in a form that so many of the records have it in.
_USUAL = 0.99
_MISSING, _TEXT, _TIME, _DATE = "missing", "text", "time", "date"


def usual(samples: Sequence[Sample]) -> list[Sample]:
    """Returns the records without unusual ones.

    A record is unusual if a field is missing, or has another form than in 99 of 100 others.
    """
    if len(samples) < _ENOUGH:
        return list(samples)
    forms: dict[str, Counter[str]] = defaultdict(Counter)
    for sample in samples:
        for name, value in sample.fields.items():
            forms[name][_form(value)] += 1
    usual_forms = {
        name: form
        for name, counts in forms.items()
        for form, count in [counts.most_common(1)[0]]
        if form != _MISSING and count >= _USUAL * len(samples)
    }
    return [each for each in samples if all(_fits(each.fields.get(name), form) for name, form in usual_forms.items())]


def _fits(value: Any, form: str) -> bool:
    found = _form(value)
    return found == form or (form == _TEXT and found in (_TIME, _DATE))


def _form(value: Any) -> str:
    """Returns what kind of value one is; a null is like a missing one."""
    match value:
        case None:
            return _MISSING
        case bool():
            return "boolean"
        case int() | Number():
            return "number"
        case "":
            return "empty"
        case str():
            if re.fullmatch(DATE_PATTERN, value):
                return _DATE
            return _TEXT if micros(value) is None else _TIME
        case _:
            return type(value).__name__
