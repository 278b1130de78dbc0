"""Reads sample records: JSON lines, an array, or consecutive values."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from tandem.errors import UsageError
from tandem.scaffold.described import Described
from tandem.scaffold.infer.kinds import Kinds
from tandem.scaffold.infer.observed import Sample, observe
from tandem.scaffold.sources.leaving_out import first_of
from tandem.verify import strict_json

# So many records show what the others are like.
MOST_RECORDS = 10_000
# What is read of a file whose values are not each on a line of its own.
_MOST_CHARACTERS = 64 * 1024 * 1024
_BLANK = " \t\r\n"
_HINT = "give one JSON object a line, or an array of objects"


class Samples(NamedTuple):
    """Sample records, and what to say about how they were chosen."""

    records: list[Sample]
    note: str


def read_samples(source: str, path: Path) -> Samples:
    """Returns the first records of a file.

    Args:
        source: what the user called it.
        path: the file.

    Raises:
        UsageError: the file has none, or something else than records; the message has the line.
        OSError: it cannot be read.
    """
    if path.exists() and not path.is_file():
        raise UsageError(f"{source} is not a regular file", hint="save the records to a file, for it is read twice")
    with path.open(encoding="utf-8-sig", newline="") as file:
        values = _lines(source, file) if _has_value_on_first_line(file) else _values(source, file)
        records = list(islice(values, MOST_RECORDS + 1))
    if not records:
        raise UsageError(f"{source} has no records", hint=_HINT)
    count = f"{min(len(records), MOST_RECORDS):,} record{'s' if len(records) > 1 else ''}"
    note = f"{count}, the first of the file" if len(records) > MOST_RECORDS else count
    return Samples(records[:MOST_RECORDS], note)


def described_by_samples(source: str, name: str, samples: Samples, topic: str | None = None) -> Described:
    """Returns what sample records say of a stream.

    Args:
        source: what the user called them.
        name: what the stream is to be called.
        samples: the records.
        topic: the topic that they come from, if they do: its producers may send what cannot be declared.

    Raises:
        UsageError: a field has values of different types, or there is no field to declare.
    """
    seen, kinds = observe(samples.records), Kinds(source, leaves_out=topic is not None)
    fields = kinds.fields(seen)
    if not fields:
        hint = first_of(kinds.notes) or "give records that have fields"
        raise UsageError(f"{source}: the records have no field that a stream can declare", hint=hint)
    return Described(source, name, fields, samples.note, kinds.all_notes(), tuple(samples.records), seen, topic)


def record_in(text: str) -> dict[str, Any]:
    """Returns the record that a JSON text is.

    Raises:
        ValueError: it is none; the message says why.
    """
    try:
        value = strict_json.parse(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg}, at column {error.colno}") from None
    except UnicodeError:
        raise ValueError("not JSON that the job takes: a lone surrogate") from None
    except RecursionError:
        raise ValueError("not JSON that the job takes: nested too deep") from None
    except ValueError as error:
        raise ValueError(f"not JSON that the job takes: {error}") from None
    if type(value) is not dict:
        raise ValueError("not a JSON object")
    return value


def _has_value_on_first_line(file: Any) -> bool:
    """Returns whether the first line has a whole value, and rewinds."""
    line = next((line for line in _read_lines(file) if line.strip(_BLANK)), "")
    file.seek(0)
    try:
        return not line.lstrip(_BLANK).startswith("[") and bool(json.loads(line)) is not None
    except (ValueError, RecursionError):
        # An invalid line gets an error with its number, unless it is the beginning of a value of several lines.
        return line.strip(_BLANK) not in ("", "{") and not line.lstrip(_BLANK).startswith(("[", "{"))


def _read_lines(file: Any) -> Iterator[str]:
    """Yields the lines of a file, and the first part of one that is too long."""
    while line := file.readline(_MOST_CHARACTERS):
        yield line


def _lines(source: str, file: Any) -> Iterator[Sample]:
    for number, line in enumerate(_read_lines(file), 1):
        if len(line) == _MOST_CHARACTERS:
            raise UsageError(f"{source}:{number}: longer than {_MOST_CHARACTERS:,} characters", hint=_HINT)
        if line.strip(_BLANK):
            try:
                yield Sample(f"line {number}", record_in(line.strip(_BLANK)))
            except ValueError as error:
                # The end of a file that is cut off has no end of a line.
                hint = _HINT if line.endswith("\n") or number == 1 else "delete the last line if it is cut off"
                raise UsageError(f"{source}:{number}: {error}", hint=hint) from None


def _values(source: str, file: Any) -> Iterator[Sample]:
    """Yields the records of an array, or of values that follow one another."""
    text = file.read(_MOST_CHARACTERS)
    is_cut = len(text) == _MOST_CHARACTERS
    decoder, at, counted, line = json.JSONDecoder(), _skipped(text, 0), 0, 1
    is_array = text.startswith("[", at)
    at = _skipped(text, at + 1) if is_array else at
    while at < len(text) and not (is_array and text[at] == "]"):
        line, counted = line + text.count("\n", counted, at), at
        try:
            _, end = decoder.raw_decode(text, at)
            yield Sample(f"line {line}", record_in(text[at:end]))
        except json.JSONDecodeError as error:
            if is_cut:
                return
            # What is missing is missing behind what precedes it.
            place = line + text[at : error.pos].rstrip(_BLANK).count("\n")
            raise UsageError(f"{source}:{place}: not JSON: {error.msg}", hint=_HINT) from None
        except (ValueError, RecursionError) as error:
            reason = "nested too deep" if isinstance(error, RecursionError) else error
            raise UsageError(f"{source}:{line}: {reason}", hint=_HINT) from None
        at = _skipped(text, end)
        if not is_array and text.startswith(",", at):
            hint = "delete the commas between the records, or put them all into brackets, as [...]"
            raise UsageError(f"{source}:{line}: a comma follows this record", hint=hint)
        if is_array and text.startswith(",", at):
            at = _skipped(text, at + 1)
            if not is_cut and (at == len(text) or text[at] == "]"):
                raise UsageError(f"{source}:{line}: no value follows the comma", hint=_HINT)
        elif is_array and not is_cut and not text.startswith("]", at):
            raise UsageError(f"{source}:{line}: neither a comma nor the array's end follows this value", hint=_HINT)
    if is_array and not is_cut and (after := _skipped(text, at + 1)) < len(text):
        line += text.count("\n", counted, after)
        raise UsageError(f"{source}:{line}: something follows the array", hint=_HINT)


def _skipped(text: str, at: int) -> int:
    """Returns the next position that is not blank."""
    while at < len(text) and text[at] in _BLANK:
        at += 1
    return at
