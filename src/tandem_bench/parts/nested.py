"""Nested records: the rate of parsing them, beside ``from_json`` alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tandem_bench import programs
from tandem_bench.result import Figure, Part, Row, RowKind
from tandem_bench.run_config import RunConfig
from tandem_bench.testbed import new_testbed

# A record is about ten times as large as an order.
_SHARE = 4
_ROWS: Mapping[str, tuple[str, RowKind]] = {
    "parse": ("Tandem's strict parsing", RowKind.OURS),
    "from_json": ("Spark's from_json alone", RowKind.LIMIT),
    "read": ("reading the file alone", RowKind.LIMIT),
}


def measure(config: RunConfig) -> Part:
    """Returns the rates of strict parsing, of ``from_json`` and of reading alone."""
    records = max(1, config.records // _SHARE)
    config.say(f"nested records, {config.rounds} rounds of {records} records")
    with new_testbed(config.settings) as testbed:
        arguments = (f"--records={records}", f"--rounds={config.rounds}")
        with programs.running_on_spark("peers/nested_parse", arguments, testbed) as program:
            seconds = program.answer()
    settings = {"records": records, "fields": 20, "rounds": config.rounds}
    return Part("nested", "Records of 20 fields with nested arrays are parsed", rows_of(seconds, records), settings)


def rows_of(seconds: Mapping[str, Sequence[float]], records: int) -> list[Row]:
    """Returns the rates of each kind of work.

    The first round is left out, because Java is cold then.
    """
    return [
        Row(
            title,
            "records/s",
            Figure(tuple(records / each for each in seconds[name][1:])),
            kind,
            compared=name != "parse",
        )
        for name, (title, kind) in _ROWS.items()
    ]
