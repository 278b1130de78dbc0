"""Writes what the generators of pipelines of one stream and of two have in common."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from tandem.engine.declare.field_name import Path
from tandem.scaffold.chosen import Chosen
from tandem.scaffold.render.module import imports
from tandem.scaffold.render.parts import given_values
from tandem.scaffold.render.sample_code import Function, SampleCode


@dataclass(frozen=True)
class GeneratorCode:
    """Parts of a generator's module.

    Attributes:
        stdlib: its imports of the standard library.
        constants: its constants.
        functions: its functions.
    """

    stdlib: str
    constants: str
    functions: str


def generator_parts(
    chosen: Chosen, given: Mapping[Path, str], refers: str | None, samples: SampleCode | None = None
) -> tuple[GeneratorCode, Function]:
    """Returns the parts of the module, and the function that makes a stream's records.

    Args:
        chosen: the stream.
        given: values of its fields that are not by chance, by their path.
        refers: the record that these values are of; None for none.
        samples: the code of other streams, which this one is added to.
    """
    samples = samples or SampleCode()
    samples.refers = refers
    function = samples.add_record(
        chosen.record, chosen.stream.fields, chosen.described.seen, given_values(chosen, given)
    )
    text = "\n\n".join(samples.functions.values())
    constants = "\n".join(samples.constants.values())
    return GeneratorCode(_stdlib(text), f"\n{constants}\n" if constants else "", text), function


def _stdlib(text: str) -> str:
    uses = {name for name in ("Mapping", "UTC", "datetime", "Decimal", "Any", "Random") if _uses(text, name)}
    return imports(
        ("collections.abc", ["Iterator", *uses & {"Mapping"}]),
        ("datetime", [*uses & {"UTC", "datetime"}]),
        ("decimal", [*uses & {"Decimal"}]),
        ("random", [*uses & {"Random"}]),
        ("typing", [*uses & {"Any"}]),
    )


def _uses(text: str, name: str) -> bool:
    return bool(re.search(rf"(?<![\"\w]){name}[\[\](.,)\n]", text))
