"""Writes the modules of a pipeline that joins two streams."""

from __future__ import annotations

import re

from tandem.scaffold.chosen import Chosen
from tandem.scaffold.joining import KIND
from tandem.scaffold.render import parts
from tandem.scaffold.render.code import Code, call, mapping, several, text, written
from tandem.scaffold.render.field_types import value_imports
from tandem.scaffold.render.joined_generator import generator_module
from tandem.scaffold.render.joined_names import JoinedNames
from tandem.scaffold.render.joined_testing import test_module
from tandem.scaffold.render.joined_transform import transform_module
from tandem.scaffold.render.module import assigned, filled, imports


def files_of(names: JoinedNames) -> dict[str, str]:
    """Returns the files of a pipeline that joins two streams, by name."""
    return {
        "streams.py": _streams_module(names),
        "transform.py": transform_module(names),
        "generator.py": generator_module(names),
        "oracle.py": _oracle(names),
        "settings.toml": filled("joined/settings.txt", names.words),
        f"test_{names.pipeline}.py": test_module(names),
    }


def _streams_module(names: JoinedNames) -> str:
    join = names.join
    streams = [assigned(parts.constant(each), parts.stream_code(each)) for each in (names.left, names.right)]
    fields = {**names.left_fields, **names.right_fields}
    times = [names.time(each) for each in (names.left, names.right)]
    view: dict[str, Code] = {
        "title": text(names.pipeline),
        "results": "MATCHED",
        "noun": text("pairs"),
        "columns": parts.columns_code(join.left_key, fields),
        "event_times": several([text(time) for time in times]),
        "key": text(join.left_key),
        "key_title": text(parts.title_of(join.left_key)),
    }
    if money := parts.money_of(fields):
        view["money"] = text(money)
    view["leftovers"] = "UNMATCHED"
    view["tallies"] = mapping(
        [
            (names.left.stream.name, _tally(names.left, join.left_key, many=True)),
            (names.right.stream.name, _tally(names.right, join.right_identity, many=False)),
        ]
    )
    used = ["Collection", "Column", "DocumentType", "FieldType", "Stream", "Tally", "View"]
    used += ["RecordPart"] if "RecordPart." in "".join(streams) else []
    used += ["Avro"] if "Avro.of(" in "".join(streams) else []
    stdlib = value_imports("".join(streams))
    indexes = [(join.left_key,), (times[0],)]
    return filled(
        "joined/streams.txt",
        {
            **names.words,
            "imports": "\n".join(stdlib) + ("\n\n" if stdlib else "") + imports(("tandem.pipeline", used)),
            "left_stream": streams[0],
            "right_stream": streams[1],
            "names": _names_of_documents(names),
            "matched": assigned("MATCHED", parts.collection_code(f"{names.pipeline}_matched", fields, indexes)),
            "unmatched": assigned(
                "UNMATCHED",
                parts.collection_code(
                    f"{names.pipeline}_unmatched",
                    {KIND: "DocumentType.STRING", **fields},
                    [(join.left_key,), (KIND,)],
                ),
            ),
            "view": assigned("VIEW", call("View", *parts.keywords(view), split=True)),
        },
    )


def _names_of_documents(names: JoinedNames) -> str:
    there = {constant: renamed for constant, renamed in names.renamed.items() if renamed}
    if not there:
        return ""
    lines = [
        assigned(constant, mapping([(column, text(name)) for column, name in renamed.items()]))
        for constant, renamed in there.items()
    ]
    return "\n# What documents call fields that both streams have, or that documents cannot have.\n{}\n".format(
        "\n".join(lines)
    )


def _oracle(names: JoinedNames) -> str:
    join = names.join
    documents = [
        parts.document_function(f"_{each.record}", each, its_names)
        for each, its_names in ((names.left, join.left_names), (names.right, join.right_names))
    ]
    renamed = [each for each in names.renamed if f"{each}." in "".join(documents)]
    testing = ["Document", "Fields", "IntervalJoin", "Side", "stored"]
    testing += ["date"] if re.search(r"\bdate\(", "".join(documents)) else []
    constants = [parts.constant(names.left), parts.constant(names.right), "MATCHED", "UNMATCHED", *renamed]
    return filled(
        "joined/oracle.txt",
        {
            **names.words,
            "imports": imports(("tandem.testing", testing), (names.streams, constants)),
            "left_document": documents[0],
            "right_document": documents[1],
            "left_side": _side(names.left),
            "right_side": _side(names.right),
            "refers": text(join.key.refers),
        },
    )


def _tally(chosen: Chosen, matched: str, *, many: bool) -> Code:
    leftover = f'{{"{KIND}": {text(chosen.record)}}}'
    return call("Tally", f"matched={text(matched)}", f"many={many}", f"leftover={leftover}")


def _side(chosen: Chosen) -> str:
    stream = chosen.stream
    code = call("Side", text(stream.name), text(chosen.record), text(stream.time_column), f"_unmatched_{chosen.record}")
    return written(code, indent=1, before=len("right="))
