"""Writes the tests of a pipeline that joins two streams."""

from __future__ import annotations

from collections.abc import Mapping

from tandem.engine.declare.kind import Integer, String
from tandem.scaffold.chosen import Chosen
from tandem.scaffold.render import parts
from tandem.scaffold.render.code import Code, Items, call, mapping, text, written
from tandem.scaffold.render.joined_names import JoinedNames
from tandem.scaffold.render.module import filled, imports


def test_module(names: JoinedNames) -> str:
    """Returns the text of the tests."""
    join = names.join
    right_kind = names.right.columns[names.right.stream.identity_column]
    refers = '"1"' if isinstance(join.identity_kind, Integer) and isinstance(join.refers_kind, String) else None
    is_number = isinstance(join.refers_kind, Integer)
    value = refers or ("1" if is_number else '"a"')
    left_value = '"1"' if is_number and isinstance(join.identity_kind, String) else None
    of_left = {join.identity_path: left_value or parts.test_value(join.identity_kind)}
    of_right = {join.refers: value}
    right_time = {"row": "NOON + timedelta(seconds=seconds)", "event": "seconds * SECOND"}
    left_text = "1" if isinstance(join.identity_kind, Integer) or left_value else "a"
    right_text = parts.test_text(right_kind)
    if names.right.stream.identity_paths == (join.refers,):
        right_text = value.strip('"')
    rows = [
        _rows_code(each, parts.test_values(each, time, other, is_row=True))
        for each, time, other in (
            (names.left, "NOON", of_left),
            (names.right, right_time["row"], of_right),
        )
    ]
    events = [
        parts.event_code(each, parts.test_values(each, time, other, is_row=False))
        for each, time, other in ((names.left, "0", of_left), (names.right, right_time["event"], of_right))
    ]
    values = [name for name in ("date",) if any(f"{name}(" in row for row in rows)]
    return filled(
        "joined/test.txt",
        {
            **names.words,
            "stdlib": imports(
                ("datetime", ["UTC", "datetime", "timedelta", *values]),
                ("decimal", ["Decimal"] if any("Decimal(" in row for row in rows) else []),
            ),
            "imports": imports(
                (f"{names.package}.oracle", ["expect"]),
                (
                    names.streams,
                    [parts.constant(names.left), "MATCHED", parts.constant(names.right), "UNMATCHED"],
                ),
                (f"{names.package}.transform", ["matched", "transform", "unmatched"]),
                ("tandem.testing", ["Expectation", "columns"]),
            ),
            "left_rows": rows[0],
            "right_rows": rows[1],
            "left_fields": events[0],
            "right_fields": events[1],
            "left_identity": text(left_text),
            "right_identity": text(right_text),
            "pair": text(f"{left_text}|{right_text}"),
            "left_alone": text(f"{names.left.record}|{left_text}"),
            "right_alone": text(f"{names.right.record}|{right_text}"),
        },
    )


def _rows_code(chosen: Chosen, row: Mapping[str, Code]) -> str:
    rows = Items("[", [mapping(list(row.items()))], "]")
    code = call("spark.createDataFrame", rows, f"columns({parts.constant(chosen)})")
    return written(code, indent=1, before=len(chosen.stream.name) + 3, after=0)
