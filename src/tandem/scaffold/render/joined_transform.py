"""Writes the module ``transform`` of a pipeline that joins two streams."""

from __future__ import annotations

from dataclasses import replace

from tandem.scaffold.chosen import Chosen
from tandem.scaffold.joining import KIND
from tandem.scaffold.render import parts
from tandem.scaffold.render.code import Code, Items, call, mapping, several, text, written
from tandem.scaffold.render.joined_names import JoinedNames
from tandem.scaffold.render.module import filled, imports


def transform_module(names: JoinedNames) -> str:
    """Returns the text of the module ``transform``."""
    left, right = names.left.stream.name, names.right.stream.name
    signature = Items(
        "def transform(",
        [f"{left}: DataFrame", f"{right}: DataFrame", "*", "match_window_seconds: int"],
        ") -> DataFrame:",
    )
    constants = [constant for constant, renamed in names.renamed.items() if renamed]
    kinds = mapping(
        [
            (each.record, several([text(identity), text(names.time(each))]))
            for each, identity in ((names.left, names.join.left_key), (names.right, names.join.right_identity))
        ]
    )
    return filled(
        "joined/transform.txt",
        {
            **names.words,
            "imports": imports(
                (
                    "tandem.pipeline",
                    ["Output", "Pipeline", "SupersededBy", "document_id", "interval_join", "no_longer_alone"],
                ),
                (names.streams, ["DEAD_LETTER_TOPIC", "MATCHED", "STREAMS", "UNMATCHED", *constants]),
            ),
            "signature": written(signature, after=0),
            "join": _interval_join(names),
            "pairs": _pairs(names),
            "left_identity": text(names.join.left_key),
            "right_identity": text(names.right_row_identity),
            "alone": _alone(names),
            "kinds": f"kinds = {written(kinds, indent=1, before=len('kinds = '), after=0)}",
        },
    )


def _interval_join(names: JoinedNames) -> str:
    join = names.join
    left_rows, right_rows = _rows(names, names.left), _rows(names, names.right)
    left: Code = left_rows
    right: Code = right_rows
    on = (join.left_key, names.right_key)
    if join.is_shared:
        right = call(f"{right_rows}.withColumnRenamed", text(join.left_key), text(names.right_key))
    if join.by_text:
        on = (join.column(f"{names.left.record}_key"), join.column(f"{names.right.record}_key"))
        path = "".join(f"[{text(name)}]" for name in join.refers[1:])
        left = _with_text(left_rows, on[0], f"F.col({text(join.left_key)})")
        right = _with_text(right_rows, on[1], f"F.col({text(join.right_names[join.refers[0]])}){path}")
    arguments: dict[str, Code] = {
        "on": several([text(each) for each in on]),
        "times": several([text(names.time(each)) for each in (names.left, names.right)]),
        "within_seconds": "match_window_seconds",
    }
    code = call("interval_join", left, right, *parts.keywords(arguments), split=True)
    return written(code, indent=1, before=len("return "), after=0)


def _rows(names: JoinedNames, chosen: Chosen) -> str:
    constant = parts.names_constant(chosen)
    renamed = f".withColumnsRenamed({constant})" if names.renamed[constant] else ""
    return chosen.stream.name + renamed


def _pairs(names: JoinedNames) -> str:
    left, right = text(names.join.left_key), text(names.right_row_identity)
    columns: list[Code] = [call("document_id", left, right, after='.alias("_id")')]
    columns += [text(name) for name in {**names.left_fields, **names.right_fields}]
    return _selected(f"joined.where(is_{names.left.record} & is_{names.right.record}).select", columns)


def _alone(names: JoinedNames) -> str:
    join, (left, right) = names.join, (names.left.record, names.right.record)
    ids = [
        call("F.concat", f"F.lit({text(f'{record}|')})", text(identity))
        for record, identity in ((left, join.left_key), (right, names.right_row_identity))
    ]
    columns: list[Code] = [
        call("F.coalesce", *ids, after='.alias("_id")'),
        f'F.when(is_{left}, {text(left)}).otherwise({text(right)}).alias("{KIND}")',
    ]
    key = text(join.left_key)
    for name in {**names.left_fields, **names.right_fields}:
        shared = join.is_shared and name == join.left_key
        columns.append(f"F.coalesce({key}, {text(names.right_key)}).alias({key})" if shared else text(name))
    return _selected(f"joined.where(~is_{left} | ~is_{right}).select", columns)


def _with_text(rows: str, name: str, column: str) -> Code:
    return call(f"{rows}.withColumn", text(name), f'{column}.cast("string")')


def _selected(function: str, columns: list[Code]) -> str:
    return written(replace(call(function, *columns), split=True), indent=1, before=len("return "), after=0)
