"""Writes the module ``generator`` of a pipeline that joins two streams."""

from __future__ import annotations

from tandem.engine.declare.kind import Integer, String
from tandem.engine.declare.stream import RecordPart
from tandem.scaffold.render import parts
from tandem.scaffold.render.code import text
from tandem.scaffold.render.generator import generator_parts
from tandem.scaffold.render.joined_names import JoinedNames
from tandem.scaffold.render.module import filled, imports
from tandem.scaffold.render.sample_code import SampleCode, number_value

_AFTER = """    after_ms = moment.scaled(chance.randrange(1, 240_000))
    if moment.kind is MomentKind.EARLY:  # by a clock that is slow
        after_ms = -after_ms
"""


def generator_module(names: JoinedNames) -> str:
    """Returns the text of the module ``generator``."""
    join, record = names.join, names.left.record
    samples = SampleCode()
    path = join.identity_path
    named = record + "".join(f"[{text(name)}]" for name in path)
    identity: dict[tuple[str, ...], str] = {}
    if isinstance(join.refers_kind, Integer):
        bits = [kind.bits for kind in (join.refers_kind, join.identity_kind) if isinstance(kind, Integer)]
        number = number_value(min(bits))
        is_text = isinstance(join.identity_kind, String)
        identity = {path: f"str({number})" if is_text else number}
        named = f"int({named})" if is_text else named
    elif isinstance(join.identity_kind, Integer):
        named = f"str({named})"
    _, left = generator_parts(names.left, identity, None, samples)
    code, right = generator_parts(names.right, {join.refers: named}, record, samples)
    dated = "time_ms" in right.parameters and not isinstance(names.right.stream.event_time, RecordPart)
    moment_ms = "time_ms" if "time_ms" in left.parameters or dated else "moment.time_ms"
    article = "an" if record[0] in "aeiou" else "a"
    begin = "chance, time_ms = moment.chance, moment.time_ms" if moment_ms == "time_ms" else "chance = moment.chance"
    return filled(
        "joined/generator.txt",
        {
            **names.words,
            "stdlib": code.stdlib,
            "imports": imports(
                ("tandem.testing", ["Event", "Moment", "MomentKind"]),
                (names.streams, [parts.constant(names.left), parts.constant(names.right)]),
            ),
            "constants": code.constants,
            "article_left": article,
            "article_title": article.capitalize(),
            "begin": f"    {begin}\n",
            "after": _AFTER if dated else "",
            "left_call": left.call(moment_id="moment.id", moment_number="2 * moment.number", time_ms=moment_ms),
            # Even numbers are of sent records, odd ones of those that are never sent.
            "unknown_call": left.call(
                moment_id='f"{moment.id}-unknown"', moment_number="2 * moment.number + 1", time_ms=moment_ms
            ),
            "right_call": right.call(
                moment_id="moment.id",
                moment_number="moment.number",
                time_ms="time_ms + after_ms" if dated else moment_ms,
            ),
            "key": parts.event_key(names.right),
            "functions": code.functions,
        },
    )
