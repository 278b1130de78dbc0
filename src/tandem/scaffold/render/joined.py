"""Writes the modules of a pipeline that joins two streams."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from tandem.engine.declare.kind import Integer, String
from tandem.engine.declare.stream import RecordPart
from tandem.scaffold.chosen import Chosen
from tandem.scaffold.joining import KIND, Joining
from tandem.scaffold.render import parts
from tandem.scaffold.render.code import Code, Items, call, mapping, several, text, written
from tandem.scaffold.render.field_types import value_imports
from tandem.scaffold.render.generator import generator_parts
from tandem.scaffold.render.module import assigned, filled, imports
from tandem.scaffold.render.values import SampleCode

_AFTER = """    after_ms = moment.scaled(chance.randrange(1, 240_000))
    if moment.kind is MomentKind.EARLY:  # by a clock that is slow
        after_ms = -after_ms
"""


class JoinedStreams:
    """A pipeline that writes a document of each pair of events, and one of each event without a partner.

    Args:
        pipeline: its name.
        package: its package.
        join: the streams and how they are joined.
    """

    def __init__(self, pipeline: str, package: str, join: Joining) -> None:
        self._pipeline, self._package, self._streams = pipeline, package, f"{package}.streams"
        self._join, self._left, self._right = join, join.left, join.right
        self._left_fields = parts.document_fields(join.left, join.left_names)
        self._right_fields = parts.document_fields(join.right, join.right_names)
        self._renamed = {
            parts.names_constant(chosen): parts.renaming(names)
            for chosen, names in ((join.left, join.left_names), (join.right, join.right_names))
        }
        # Joined rows have both keys, and documents have one.
        shared = join.column(f"{join.right.record}_{join.left_key}")
        self._right_key = shared if join.is_shared else join.right_names[join.refers[0]]
        is_key = join.is_shared and join.right.stream.identity_column == join.refers[0]
        self._right_row_identity = shared if is_key else join.right_identity
        self._words = {"pipeline": pipeline}
        for side, chosen in (("left", join.left), ("right", join.right)):
            self._words |= {
                f"{side}_name": chosen.stream.name,
                f"{side}_record": chosen.record,
                f"{side}_constant": parts.constant(chosen),
            }

    def files(self) -> dict[str, str]:
        """Returns the texts of its files, by their names."""
        return {
            "streams.py": self._streams_module(),
            "transform.py": self._transform(),
            "generator.py": self._generator(),
            "oracle.py": self._oracle(),
            "settings.toml": filled("joined/settings.txt", self._words),
            f"test_{self._pipeline}.py": self._test(),
        }

    def _streams_module(self) -> str:
        join = self._join
        streams = [assigned(parts.constant(each), parts.stream_code(each)) for each in (self._left, self._right)]
        fields = {**self._left_fields, **self._right_fields}
        times = [self._time(each) for each in (self._left, self._right)]
        view: dict[str, Code] = {
            "title": text(self._pipeline),
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
                (self._left.stream.name, _tally(self._left, join.left_key, many=True)),
                (self._right.stream.name, _tally(self._right, join.right_identity, many=False)),
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
                **self._words,
                "imports": "\n".join(stdlib) + ("\n\n" if stdlib else "") + imports(("tandem.pipeline", used)),
                "left_stream": streams[0],
                "right_stream": streams[1],
                "names": self._names_of_documents(),
                "matched": assigned("MATCHED", parts.collection_code(f"{self._pipeline}_matched", fields, indexes)),
                "unmatched": assigned(
                    "UNMATCHED",
                    parts.collection_code(
                        f"{self._pipeline}_unmatched",
                        {KIND: "DocumentType.STRING", **fields},
                        [(join.left_key,), (KIND,)],
                    ),
                ),
                "view": assigned("VIEW", call("View", *parts.keywords(view), split=True)),
            },
        )

    def _names_of_documents(self) -> str:
        there = {constant: renamed for constant, renamed in self._renamed.items() if renamed}
        if not there:
            return ""
        lines = [
            assigned(constant, mapping([(column, text(name)) for column, name in renamed.items()]))
            for constant, renamed in there.items()
        ]
        return "\n# What documents call fields that both streams have, or that documents cannot have.\n{}\n".format(
            "\n".join(lines)
        )

    def _transform(self) -> str:
        left, right = self._left.stream.name, self._right.stream.name
        signature = Items(
            "def transform(",
            [f"{left}: DataFrame", f"{right}: DataFrame", "*", "match_window_seconds: int"],
            ") -> DataFrame:",
        )
        names = [constant for constant, renamed in self._renamed.items() if renamed]
        kinds = mapping(
            [
                (each.record, several([text(identity), text(self._time(each))]))
                for each, identity in ((self._left, self._join.left_key), (self._right, self._join.right_identity))
            ]
        )
        return filled(
            "joined/transform.txt",
            {
                **self._words,
                "imports": imports(
                    (
                        "tandem.pipeline",
                        ["Output", "Pipeline", "SupersededBy", "document_id", "interval_join", "no_longer_alone"],
                    ),
                    (self._streams, ["DEAD_LETTER_TOPIC", "MATCHED", "STREAMS", "UNMATCHED", *names]),
                ),
                "signature": written(signature, after=0),
                "join": self._interval_join(),
                "pairs": self._pairs(),
                "left_identity": text(self._join.left_key),
                "right_identity": text(self._right_row_identity),
                "alone": self._alone(),
                "kinds": f"kinds = {written(kinds, indent=1, before=len('kinds = '), after=0)}",
            },
        )

    def _interval_join(self) -> str:
        join = self._join
        left, right = self._rows(self._left), self._rows(self._right)
        on = (join.left_key, self._right_key)
        if join.is_shared:
            right += f".withColumnRenamed({text(join.left_key)}, {text(self._right_key)})"
        if join.by_text:
            on = (join.column(f"{self._left.record}_key"), join.column(f"{self._right.record}_key"))
            path = "".join(f"[{text(name)}]" for name in join.refers[1:])
            left += _with_text(on[0], f"F.col({text(join.left_key)})")
            right += _with_text(on[1], f"F.col({text(join.right_names[join.refers[0]])}){path}")
        arguments: dict[str, Code] = {
            "on": several([text(each) for each in on]),
            "times": several([text(self._time(each)) for each in (self._left, self._right)]),
            "within_seconds": "match_window_seconds",
        }
        code = call("interval_join", left, right, *parts.keywords(arguments), split=True)
        return written(code, indent=1, before=len("return "), after=0)

    def _rows(self, chosen: Chosen) -> str:
        constant = parts.names_constant(chosen)
        renamed = f".withColumnsRenamed({constant})" if self._renamed[constant] else ""
        return chosen.stream.name + renamed

    def _pairs(self) -> str:
        left, right = text(self._join.left_key), text(self._right_row_identity)
        columns: list[Code] = [call("document_id", left, right, after='.alias("_id")')]
        columns += [text(name) for name in {**self._left_fields, **self._right_fields}]
        return _selected(f"joined.where(is_{self._left.record} & is_{self._right.record}).select", columns)

    def _alone(self) -> str:
        join, (left, right) = self._join, (self._left.record, self._right.record)
        ids = [
            call("F.concat", f"F.lit({text(f'{record}|')})", text(identity))
            for record, identity in ((left, join.left_key), (right, self._right_row_identity))
        ]
        columns: list[Code] = [
            call("F.coalesce", *ids, after='.alias("_id")'),
            f'F.when(is_{left}, {text(left)}).otherwise({text(right)}).alias("{KIND}")',
        ]
        key = text(join.left_key)
        for name in {**self._left_fields, **self._right_fields}:
            shared = join.is_shared and name == join.left_key
            columns.append(f"F.coalesce({key}, {text(self._right_key)}).alias({key})" if shared else text(name))
        return _selected(f"joined.where(~is_{left} | ~is_{right}).select", columns)

    def _generator(self) -> str:
        join, record = self._join, self._left.record
        samples = SampleCode()
        path = (self._left.stream.identity_paths or ((),))[0]
        named = record + "".join(f"[{text(name)}]" for name in path)
        identity: dict[tuple[str, ...], str] = {}
        if isinstance(join.refers_kind, Integer):
            short = " % 2**31" if join.refers_kind.bits == 32 else ""
            number = f"_number(moment_id){short}"
            is_text = isinstance(join.identity_kind, String)
            identity = {path: f"str({number})" if is_text else number}
            named = f"int({named})" if is_text else named
        elif isinstance(join.identity_kind, Integer):
            named = f"str({named})"
        _, left = generator_parts(self._left, identity, None, samples)
        code, right = generator_parts(self._right, {join.refers: named}, record, samples)
        dated = "time_ms" in right.parameters and not isinstance(self._right.stream.event_time, RecordPart)
        moment_ms = "time_ms" if "time_ms" in left.parameters or dated else "moment.time_ms"
        begin = "    chance = moment.chance\n"
        if moment_ms == "time_ms":
            begin = "    chance, time_ms = moment.chance, moment.time_ms\n"
        elif "time_ms" in right.parameters:
            begin = "    chance = moment.chance\n"
        return filled(
            "joined/generator.txt",
            {
                **self._words,
                "stdlib": code.stdlib,
                "imports": imports(
                    ("tandem.testing", ["Event", "Moment", "MomentKind"]),
                    (self._streams, [parts.constant(self._left), parts.constant(self._right)]),
                ),
                "constants": code.constants,
                "article_left": "an" if record[0] in "aeiou" else "a",
                "begin": begin,
                "after": _AFTER if dated else "",
                "left_call": left.call(moment_id="moment.id", time_ms=moment_ms),
                "unknown_call": left.call(moment_id='f"{moment.id}-unknown"', time_ms=moment_ms),
                "right_call": right.call(moment_id="moment.id", time_ms="time_ms + after_ms" if dated else moment_ms),
                "key": parts.event_key(self._right),
                "functions": code.functions,
            },
        )

    def _oracle(self) -> str:
        join = self._join
        documents = [
            parts.document_function(f"_{each.record}", each, names)
            for each, names in ((self._left, join.left_names), (self._right, join.right_names))
        ]
        names = [each for each in self._renamed if f"{each}." in "".join(documents)]
        testing = ["Document", "Fields", "IntervalJoin", "Side", "stored"]
        testing += ["date"] if re.search(r"\bdate\(", "".join(documents)) else []
        constants = [parts.constant(self._left), parts.constant(self._right), "MATCHED", "UNMATCHED", *names]
        return filled(
            "joined/oracle.txt",
            {
                **self._words,
                "stdlib": "",
                "imports": imports(("tandem.testing", testing), (self._streams, constants)),
                "left_document": documents[0],
                "right_document": documents[1],
                "left_side": _side(self._left),
                "right_side": _side(self._right),
                "refers": text(join.key.refers),
            },
        )

    def _test(self) -> str:
        join = self._join
        right_kind = self._right.columns[self._right.stream.identity_column]
        refers = '"1"' if isinstance(join.identity_kind, Integer) and isinstance(join.refers_kind, String) else None
        is_number = isinstance(join.refers_kind, Integer)
        value = refers or ("1" if is_number else '"a"')
        left_value = '"1"' if is_number and isinstance(join.identity_kind, String) else None
        path = (self._left.stream.identity_paths or ((),))[0]
        of_left = {path: left_value or parts.test_value(join.identity_kind)}
        of_right = {join.refers: value}
        right_time = {"row": "NOON + timedelta(seconds=seconds)", "event": "seconds * SECOND"}
        left_text = "1" if isinstance(join.identity_kind, Integer) or left_value else "a"
        right_text = parts.test_text(right_kind)
        if self._right.stream.identity_paths == (join.refers,):
            right_text = value.strip('"')
        rows = [
            self._rows_code(each, parts.test_values(each, time, other, is_row=True))
            for each, time, other in (
                (self._left, "NOON", of_left),
                (self._right, right_time["row"], of_right),
            )
        ]
        events = [
            self._event_code(each, parts.test_values(each, time, other, is_row=False))
            for each, time, other in ((self._left, "0", of_left), (self._right, right_time["event"], of_right))
        ]
        values = [name for name in ("date",) if any(f"{name}(" in row for row in rows)]
        return filled(
            "joined/test.txt",
            {
                **self._words,
                "stdlib": imports(
                    ("datetime", ["UTC", "datetime", "timedelta", *values]),
                    ("decimal", ["Decimal"] if any("Decimal(" in row for row in rows) else []),
                ),
                "imports": imports(
                    (f"{self._package}.oracle", ["expect"]),
                    (
                        self._streams,
                        [parts.constant(self._left), "MATCHED", parts.constant(self._right), "UNMATCHED"],
                    ),
                    (f"{self._package}.transform", ["matched", "transform", "unmatched"]),
                    ("tandem.testing", ["Expectation", "columns"]),
                ),
                "left_rows": rows[0],
                "right_rows": rows[1],
                "left_fields": events[0],
                "right_fields": events[1],
                "left_identity": text(left_text),
                "right_identity": text(right_text),
                "pair": text(f"{left_text}|{right_text}"),
                "left_alone": text(f"{self._left.record}|{left_text}"),
                "right_alone": text(f"{self._right.record}|{right_text}"),
            },
        )

    def _rows_code(self, chosen: Chosen, row: Mapping[str, Code]) -> str:
        rows = Items("[", [mapping(list(row.items()))], "]")
        code = call("spark.createDataFrame", rows, f"columns({parts.constant(chosen)})")
        return written(code, indent=1, before=len(chosen.stream.name) + 3, after=0)

    def _event_code(self, chosen: Chosen, event: Mapping[str, Code]) -> str:
        fields = f"dict.fromkeys({parts.constant(chosen)}.fields) | "
        before = len(chosen.record) + 3 + len(fields)
        return fields + written(mapping(list(event.items())), indent=1, before=before, after=0)

    def _time(self, chosen: Chosen) -> str:
        names = self._join.left_names if chosen is self._left else self._join.right_names
        return names[chosen.stream.time_column]


def _tally(chosen: Chosen, matched: str, *, many: bool) -> Code:
    leftover = f'{{"{KIND}": {text(chosen.record)}}}'
    return call("Tally", f"matched={text(matched)}", f"many={many}", f"leftover={leftover}")


def _side(chosen: Chosen) -> str:
    stream = chosen.stream
    code = call("Side", text(stream.name), text(chosen.record), text(stream.time_column), f"_unmatched_{chosen.record}")
    return written(code, indent=1, before=len("right="))


def _with_text(name: str, column: str) -> str:
    return f'.withColumn({text(name)}, {column}.cast("string"))'


def _selected(function: str, columns: list[Code]) -> str:
    return written(replace(call(function, *columns), split=True), indent=1, before=len("return "), after=0)
