"""Writes the modules of a pipeline of one stream."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tandem.engine.declare.kind import String
from tandem.engine.declare.stream import RecordPart
from tandem.scaffold.chosen import Chosen
from tandem.scaffold.names import dead_letter_topic, document_names
from tandem.scaffold.render import parts
from tandem.scaffold.render.code import Code, Each, Item, Items, call, mapping, several, text, written
from tandem.scaffold.render.field_types import value_imports
from tandem.scaffold.render.generator import generator_parts
from tandem.scaffold.render.module import assigned, filled, imports

_EARLY = """    time_ms = moment.time_ms
    if moment.kind is MomentKind.EARLY:  # by a clock that is slow
        time_ms -= moment.scaled(moment.chance.randrange(1, 120_000))
"""


class OneStream:
    """A pipeline that writes a document of each event.

    Args:
        pipeline: its name.
        package: its package.
        chosen: the stream.
    """

    def __init__(self, pipeline: str, package: str, chosen: Chosen) -> None:
        self._pipeline, self._streams = pipeline, f"{package}.streams"
        self._package, self._chosen, self._constant = package, chosen, parts.constant(chosen)
        self._names = document_names(chosen.columns, chosen.record, ())
        self._renamed = parts.renaming(self._names)
        self._fields = parts.document_fields(chosen, self._names)
        self._words = {"pipeline": pipeline, "stream": chosen.stream.name, "record": chosen.record}

    def files(self) -> dict[str, str]:
        """Returns the texts of its files, by their names."""
        return {
            "streams.py": self._streams_module(),
            "transform.py": self._transform(),
            "generator.py": self._generator(),
            "oracle.py": self._oracle(),
            "settings.toml": filled("one/settings.txt", self._words),
            f"test_{self._pipeline}.py": self._test(),
        }

    def _streams_module(self) -> str:
        stream, names = self._chosen.stream, self._names
        identity, time = names[stream.identity_column], names[stream.time_column]
        declared = assigned(self._constant, parts.stream_code(self._chosen))
        view: dict[str, Code] = {
            "title": text(self._pipeline),
            "results": "DOCUMENTS",
            "noun": text(stream.name),
            "columns": parts.columns_code(identity, self._fields),
            "event_times": several([text(time)]),
            "key": text(identity),
            "key_title": text(parts.title_of(identity)),
        }
        if money := parts.money_of(self._fields):
            view["money"] = text(money)
        view["tallies"] = mapping([(stream.name, call("Tally", Item("matched=", text(identity))))])
        view["outcomes"] = '("stored",)'
        names_of_documents = ""
        if self._renamed:
            constant = assigned(parts.names_constant(self._chosen), mapping(list(_texts(self._renamed))))
            names_of_documents = f"\n# What documents call these fields.\n{constant}\n"
        used = ["Collection", "Column", "DocumentType", "FieldType", "Stream", "Tally", "View"]
        used += ["RecordPart"] if "RecordPart." in declared else []
        used += ["Avro"] if stream.format is not None else []
        stdlib = value_imports(declared)
        return filled(
            "one/streams.txt",
            {
                **self._words,
                "imports": "\n".join(stdlib) + ("\n\n" if stdlib else "") + imports(("tandem.pipeline", used)),
                "stream": declared,
                "constant": self._constant,
                "dead_letter_topic": dead_letter_topic(self._pipeline),
                "names": names_of_documents,
                "documents": assigned(
                    "DOCUMENTS", parts.collection_code(f"{self._pipeline}_{stream.name}", self._fields, [(time,)])
                ),
                "view": assigned("VIEW", call("View", *parts.keywords(view), split=True)),
            },
        )

    def _transform(self) -> str:
        stream = self._chosen.stream
        identity = text(self._names[stream.identity_column])
        kind = self._chosen.columns[stream.identity_column]
        column = f"F.col({identity})" + ("" if isinstance(kind, String) else '.cast("string")')
        names = [parts.names_constant(self._chosen)] if self._renamed else []
        return filled(
            "one/transform.txt",
            {
                **self._words,
                "imports": imports(
                    ("tandem.pipeline", ["Output", "Pipeline"]),
                    (self._streams, ["DEAD_LETTER_TOPIC", "DOCUMENTS", "STREAMS", *names]),
                ),
                "renamed": f"{stream.name}.withColumnsRenamed({names[0]})" if names else stream.name,
                "document": written(
                    call(f"{stream.name}.withColumn", '"_id"', column), indent=1, before=len("return "), after=0
                ),
            },
        )

    def _generator(self) -> str:
        chosen = self._chosen
        code, function = generator_parts(chosen, {}, None)
        shifts = "time_ms" in function.parameters and not isinstance(chosen.stream.event_time, RecordPart)
        time = "time_ms" if shifts else "moment.time_ms"
        names = ["Event", "Moment", *(["MomentKind"] if shifts else [])]
        return filled(
            "one/generator.txt",
            {
                **self._words,
                "stdlib": code.stdlib,
                "imports": imports(("tandem.testing", names), (self._streams, [self._constant])),
                "constants": code.constants,
                "constant": self._constant,
                "article": "an" if chosen.record[0] in "aeiou" else "a",
                "early": _EARLY if shifts else "",
                "call": function.call(
                    chance="moment.chance", moment_id="moment.id", moment_number="moment.number", time_ms=time
                ),
                "key": parts.event_key(chosen),
                "functions": code.functions,
            },
        )

    def _oracle(self) -> str:
        stream, record = self._chosen.stream, self._chosen.record
        document = parts.document_function("_document", self._chosen, self._names)
        value = Items("{", ['"_id": identity', f"**_document({record})"], "}")
        clause = f"for identity, {record} in {stream.name}.items()"
        constant = parts.names_constant(self._chosen)
        names = [constant] if f"{constant}." in document else []
        testing = [
            "Document",
            "Expectation",
            "Fields",
            "stored",
            *(["date"] if re.search(r"\bdate\(", document) else []),
        ]
        return filled(
            "one/oracle.txt",
            {
                **self._words,
                "imports": imports(("tandem.testing", testing), (self._streams, ["DOCUMENTS", self._constant, *names])),
                "documents": written(
                    Each("{}", Item("identity: ", value), clause), indent=1, before=len("documents = "), after=0
                ),
                "document": document,
            },
        )

    def _test(self) -> str:
        chosen = self._chosen
        kind = chosen.columns[chosen.stream.identity_column]
        row = parts.test_values(chosen, "NOON", {}, is_row=True)
        event = parts.test_values(chosen, "0", {}, is_row=False)
        rows = written(
            call("spark.createDataFrame", Items("[", [mapping(list(row.items()))], "]"), f"columns({self._constant})"),
            indent=1,
            before=len("rows = "),
            after=0,
        )
        fields = parts.event_code(chosen, event)
        values = [name for name in ("date",) if f"{name}(" in rows]
        return filled(
            "one/test.txt",
            {
                **self._words,
                "stdlib": imports(
                    ("datetime", ["UTC", "datetime", *values]), ("decimal", ["Decimal"] if "Decimal(" in rows else [])
                ),
                "imports": imports(
                    (f"{self._package}.oracle", ["expect"]),
                    (self._streams, ["DOCUMENTS", self._constant]),
                    (f"{self._package}.transform", ["documents", "transform"]),
                    ("tandem.testing", ["columns"]),
                ),
                "noon": "NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)",
                "constant": self._constant,
                "rows": rows,
                "fields": fields,
                "identity": text(parts.test_text(kind)),
            },
        )


def _texts(names: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(name, text(value)) for name, value in names.items()]
