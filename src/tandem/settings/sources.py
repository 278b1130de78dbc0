"""Reads settings from variables and ``.env.<profile>``, and merges all sources."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from difflib import get_close_matches
from io import StringIO
from pathlib import Path
from typing import Any, get_args, get_origin

from dotenv import dotenv_values
from dotenv.parser import parse_stream
from pydantic import BaseModel

from tandem.errors import UsageError
from tandem.parsing import parse_json
from tandem.settings.model import FOUND, Settings

PREFIX = "TANDEM_"
# Not settings: Compose interpolates these, and `scripts/` reads the last one.
_OTHERS = (
    *(
        "TANDEM_DEMO_RATE",
        "TANDEM_DOTENV_MOUNT",
        "TANDEM_KAFKA_PASSWORD_FILE",
        "TANDEM_MONGO_PASSWORD_FILE",
        "TANDEM_PIPELINES_MOUNT",
        "TANDEM_PROFILES_MOUNT",
    ),
    *("TANDEM_UI__GRAFANA_PORT", "TANDEM_UI__HISTORY_PORT", "TANDEM_UI__PROMETHEUS_PORT", "TANDEM_REGISTRY__PORT"),
    *("TANDEM_UI__KAFKA_UI_PORT", "TANDEM_UI__MONGO_UI_PORT"),
    *("TANDEM_CLOUD_PROFILE", "TANDEM_LOCAL_PROFILE", "TANDEM_VERSION", "TANDEM_VENV"),
)
# The pipeline declares its parameters; `settings.load` checks them.
_PARAMETERS = "TANDEM_JOB__PARAMETERS"
# Settings that have other programs' variables, too; the first variable that is set wins.
_SHARED: dict[tuple[str, ...], tuple[str, ...]] = {
    ("ca",): ("TANDEM_CA", "PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"),
    ("java_home",): ("TANDEM_JAVA_HOME", "JAVA_HOME"),
    ("telemetry", "otlp_endpoint"): ("TANDEM_TELEMETRY__OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"),
    ("telemetry", "openlineage_url"): ("TANDEM_TELEMETRY__OPENLINEAGE_URL", "OPENLINEAGE_URL"),
    ("telemetry", "openlineage_namespace"): ("TANDEM_TELEMETRY__OPENLINEAGE_NAMESPACE", "OPENLINEAGE_NAMESPACE"),
}
# Other programs may have addresses in these that Tandem cannot use; they are theirs.
_ADDRESSES = re.compile(r"(OTEL_EXPORTER_OTLP_ENDPOINT|OPENLINEAGE_URL)=(?!https?://[^/@][^@]*$)")
# The placeholder of a profile's own state folder, with which paths begin.
HOME = "{home}"
# References to a file.
_PASSWORDS = (("kafka", "password"), ("mongo", "password"))


def read_dotenv(file: Path) -> dict[str, str]:
    """Returns the variables in a file of lines ``NAME=value``.

    The values are as they are written. There is none if the file does not exist.

    Raises:
        UsageError: the file cannot be read, is not UTF-8, or has another line.
    """
    variables = {}
    for name, value in read_lines(file).items():
        if value is None:
            raise UsageError(f"{file}: {name} has no value", hint=f"write {name}=value, or remove the line")
        variables[name] = value
    return variables


def read_lines(file: Path) -> dict[str, str | None]:
    """Returns the same, with None for a name without a value, as Compose allows."""
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}", hint="it is a file of lines NAME=value") from None
    text = _text(file, content)
    for binding in parse_stream(StringIO(text)):
        if binding.error:
            raise UsageError(
                f"{file}, line {binding.original.line}: not an assignment", hint="write NAME=value, one on each line"
            )
    # A password may have a dollar sign.
    return dotenv_values(stream=StringIO(text), interpolate=False)


def referenced(values: Iterable[Any]) -> set[str]:
    """Returns the names of the variables to which values refer as ``env:NAME``."""
    return {value.removeprefix("env:") for value in values if isinstance(value, str) and value.startswith("env:")}


def check(variables: Mapping[str, str], place: str, secrets: Set[str] = frozenset()) -> None:
    """Raises if a variable of Tandem is not a setting or has invalid JSON.

    Args:
        variables: variables and their values; other programs' variables are ignored.
        place: their origin, for the message.
        secrets: variables of any name to which settings of other places refer.

    Raises:
        UsageError: the message names the variable, the hint the most similar setting.
    """
    known = {variable(path): kind for path, kind in fields()} | dict.fromkeys(_OTHERS, str)
    named = secrets | referenced(variables.values())
    for name, value in variables.items():
        upper = name.upper()
        if not upper.startswith(PREFIX) or upper.startswith(f"{_PARAMETERS}__") or name in named:
            continue
        if upper not in known:
            # Without the common prefix, which would make any two similar.
            near = get_close_matches(upper.removeprefix(PREFIX), (each.removeprefix(PREFIX) for each in known), n=1)
            raise UsageError(
                f"{place} has {name}, which is not a setting",
                hint=f"did you mean {PREFIX}{near[0]}?"
                if near
                else "remove it; `tandem config show` then lists all settings",
            )
        _check_json(known[upper], value, name, place)


def values_of(variables: Mapping[str, str]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yields the path and the value of each setting that variables set.

    An empty variable sets none.

    Args:
        variables: variables that ``check`` accepts.
    """
    given = _given(variables)
    for path, kind in fields():
        if name := setter(path, variables):
            yield path, parse_json(given[name]) if _json_type(kind) else given[name]
    for name, value in given.items():
        if name.startswith(f"{_PARAMETERS}__"):
            yield tuple(name.removeprefix(PREFIX).lower().split("__")), value


def setter(path: tuple[str, ...], variables: Mapping[str, str]) -> str | None:
    """Returns the variable that sets the value at a path; None if none does."""
    given = {name: value for name, value in _given(variables).items() if not _ADDRESSES.match(f"{name}={value}")}
    return next((name for name in _SHARED.get(path, (variable(path),)) if name in given), None)


def without_parameters(variables: Mapping[str, str]) -> dict[str, str]:
    """Returns the variables without those of a transform's parameters."""
    return {name: value for name, value in variables.items() if not name.upper().startswith(_PARAMETERS)}


def variable(path: Sequence[str]) -> str:
    """Returns the name of the variable for a path, such as ``("kafka", "port")``."""
    return PREFIX + "__".join(path).upper()


def fields() -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yields the path and type of each section and setting.

    A section before its settings.
    """
    for name, field in Settings.model_fields.items():
        if name in FOUND:
            continue
        kind: Any = field.annotation
        yield (name,), kind
        for inner, inner_field in kind.model_fields.items() if is_section(kind) else ():
            yield (name, inner), inner_field.annotation


def is_section(kind: Any) -> bool:
    """Returns whether a setting of this type is a section with settings of its own."""
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def merged(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Returns one dictionary of all layers' values; a later layer wins."""
    result: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            known = result.get(key)
            if isinstance(known, Mapping) and isinstance(value, Mapping):
                result[key] = merged(known, value)
            else:
                result[key] = value
    return result


def nested(values: Iterable[tuple[Sequence[str], Any]]) -> dict[str, Any]:
    """Returns nested settings, given values with their paths."""
    found: dict[str, Any] = {}
    for path, value in values:
        for key in reversed(path):
            value = {key: value}
        found = merged(found, value)
    return found


def with_absolute_paths(values: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Returns nested settings with absolute paths.

    Args:
        values: the settings.
        folder: what relative paths are relative to.
    """
    paths = {path for path, kind in fields() if Path in (kind, *get_args(kind))}

    def resolved(value: Any, path: tuple[str, ...]) -> Any:
        if isinstance(value, Mapping):
            return {key: resolved(inner, (*path, key)) for key, inner in value.items()}
        if path in paths and isinstance(value, str | Path) and not str(value).startswith(HOME):
            return absolute(value, folder)
        if path in _PASSWORDS and isinstance(value, str) and value.startswith("file:"):
            return f"file:{absolute(value.removeprefix('file:'), folder)}"
        return value

    return {key: resolved(value, (key,)) for key, value in values.items()}


def absolute(path: str | Path, folder: Path) -> Path:
    """Returns an absolute path; a relative one is relative to the folder."""
    return folder / Path(path).expanduser()


def _text(file: Path, content: bytes) -> str:
    try:
        # With or without a byte order mark.
        text = content.decode("utf-8-sig")
        position = text.find("\0")
    except UnicodeDecodeError as error:
        position = error.start
    # A zero byte means UTF-16.
    if position >= 0:
        raise UsageError(f"{file} is not UTF-8: byte {position + 1}", hint="save the file as UTF-8")
    return text


def _given(variables: Mapping[str, str]) -> dict[str, str]:
    return {name.upper(): value for name, value in variables.items() if value}


def _check_json(kind: Any, text: str, name: str, place: str) -> None:
    wanted = _json_type(kind)
    if not (wanted and text):
        return
    try:
        fits = isinstance(parse_json(text), wanted)
    except ValueError:
        fits = False
    if not fits:
        what, example = ("object", '{"name": "value"}') if wanted is dict else ("array", '["value"]')
        raise UsageError(f"{name} in {place} must be a JSON {what}", hint=f"for example {name}='{example}'")


def _json_type(kind: Any) -> type | None:
    """Returns the JSON type of a variable with several values.

    None for a single value.
    """
    if is_section(kind) or get_origin(kind) is dict:
        return dict
    return list if get_origin(kind) is tuple else None
