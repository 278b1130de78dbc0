"""Loads the settings of a profile. Nothing else reads them from the environment and from files."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

from tandem.catalog import PipelineLocation, find, names_in
from tandem.checkout import state_folder
from tandem.errors import UsageError
from tandem.settings.loaded import LoadedSettings, leaves, missing_of, places_tried
from tandem.settings.model import Settings
from tandem.settings.variables import check, fields, read_dotenv, setter, values_of, without_parameters

# The file in a pipeline's folder that sets what the pipeline wants of its environment.
SETTINGS = "settings.toml"
_COMMAND_LINE = "command line"
_ENVIRONMENT = "environment"
_MISSING = "missing"
# References to a file: relative to the folder in which the settings are loaded.
_PASSWORDS = (("kafka", "password"), ("mongo", "password"))


def profiles() -> dict[str, dict[str, Any]]:
    """Returns each profile's values with the base section merged in, by name."""
    document = _document()
    return {name: _merged(document["base"], values) for name, values in document["profile"].items()}


def chosen_profile(flag: str | None) -> tuple[str, str] | None:
    """Returns the profile that was asked for and by what, the flag or ``TANDEM_PROFILE``; None when none was."""
    if flag:
        return flag, "--profile"
    named = os.environ.get("TANDEM_PROFILE")
    return (named, "TANDEM_PROFILE") if named else None


def own_pipelines() -> Path:
    """Returns the user's folder of pipelines, for which no profile is needed; it need not be there."""
    return _absolute(os.environ.get("TANDEM_PIPELINES_DIR") or _document()["base"]["pipelines_dir"])


def load(profile: str | None = None, overrides: Mapping[str, Any] | None = None, *, named: bool = True) -> Settings:
    """Returns the settings of a profile, complete; the arguments are those of ``read_settings``.

    Raises:
        UsageError: as ``read_settings`` does, or a required value is set nowhere.
    """
    return read_settings(profile, overrides, named=named).complete()


def load_one() -> Settings:
    """Returns the settings of TANDEM_PROFILE for a program that is about one pipeline.

    Raises:
        UsageError: several are named, or as ``load`` does.
    """
    loaded = read_settings()
    first, *others = loaded.pipelines
    if others:
        raise UsageError(
            f"this program is about one pipeline, and TANDEM_PIPELINE names {len(others) + 1}",
            hint=f"name one, such as {first}; `tandem --profile local --pipeline a,b up` starts containers for each",
        )
    return loaded.complete()


def read_settings(
    profile: str | None = None, overrides: Mapping[str, Any] | None = None, *, named: bool = True
) -> LoadedSettings:
    """Returns the settings of a profile, with the places that they come from.

    Args:
        profile: its name; None for ``TANDEM_PROFILE``.
        overrides: values of command-line flags, nested like the settings; they win over everything else.
        named: whether the pipeline is one that the command names; only those get the environment's parameters.

    Raises:
        UsageError: there is no such profile or pipeline, or a value is wrong; the message names setting and places.
    """
    document = _document()
    base, name = document["base"], _profile_in(document["profile"], profile)
    dotenv = Path(f".env.{name}")
    variables = read_dotenv(dotenv)
    check(variables, str(dotenv))
    check(os.environ, "the environment")
    environment = os.environ if named else without_parameters(os.environ)
    # The first one wins.
    layers: dict[str, Mapping[str, Any]] = {
        _COMMAND_LINE: overrides or {},
        _ENVIRONMENT: _nested(values_of(environment)),
        str(dotenv): _nested(values_of(variables)),
        f"profiles.toml [profile.{name}]": document["profile"][name],
    }
    # These choose the pipeline, whose own file is the next layer.
    chosen = _merged(base, *reversed(layers.values()))
    pipelines = names_in(str(chosen["pipeline"]))
    location = find(pipelines[0], _absolute(chosen["pipelines_dir"]))
    own = _of_pipeline(location)
    layers |= {"the pipeline's settings.toml": own, "profiles.toml [base]": base}
    values = _merged({"state_dir": state_folder()}, *reversed(layers.values()))
    values |= {"profile": name, "pipeline": location.name, "location": location}
    home = _absolute(values["state_dir"]) / name
    try:
        settings = Settings.model_validate(_resolved(values, str(home)))
    except ValidationError as error:
        raise _wrong(error, name) from None
    settings = _with_typed_parameters(settings, own.get("job", {}).get("parameters", {}))
    missing = missing_of(settings, settings.needed_to_deploy)
    origins = {**_origins(layers, environment), **dict.fromkeys(missing, _MISSING)}
    return LoadedSettings(settings, pipelines, origins, missing)


def _document() -> dict[str, Any]:
    """Returns the file's document; a profile that is like another one has that one's values, too."""
    document = tomllib.loads(resources.files(__package__).joinpath("profiles.toml").read_text("utf-8"))
    own: dict[str, dict[str, Any]] = document["profile"]
    like = {name: own[values.pop("like")] if "like" in values else {} for name, values in own.items()}
    return {**document, "profile": {name: _merged(like[name], values) for name, values in own.items()}}


def _profile_in(known: Mapping[str, Any], flag: str | None) -> str:
    chosen = chosen_profile(flag)
    if chosen is None:
        raise UsageError("no profile is named", hint=f"set TANDEM_PROFILE to one of: {', '.join(sorted(known))}")
    name, _ = chosen
    if name not in known:
        raise UsageError(f"there is no profile {name!r}", hint=f"choose one of: {', '.join(sorted(known))}")
    return name


def _of_pipeline(location: PipelineLocation) -> dict[str, Any]:
    """Returns the values of a pipeline's own file; without a database there, that of the pipeline's name."""
    file = location.folder / SETTINGS
    try:
        values = tomllib.loads(file.read_text("utf-8-sig")) if file.is_file() else {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: {error}", hint="it is a TOML file, like profiles.toml") from None
    return _merged({"mongo": {"database": location.name}}, values)


def _resolved(values: Mapping[str, Any], home: str) -> dict[str, Any]:
    """Returns the values with absolute paths, and with this profile's folder in place of ``{home}``."""
    paths = {path for path, kind in fields() if Path in (kind, *get_args(kind))}

    def resolved(value: Any, path: tuple[str, ...]) -> Any:
        if isinstance(value, Mapping):
            return {key: resolved(inner, (*path, key)) for key, inner in value.items()}
        if isinstance(value, str):
            value = value.replace("{home}", home)
        if path in paths and isinstance(value, str | Path):
            return _absolute(value)
        if path in _PASSWORDS and isinstance(value, str) and value.startswith("file:"):
            return f"file:{_absolute(value.removeprefix('file:'))}"
        return value

    return {key: resolved(value, (key,)) for key, value in values.items()}


def _with_typed_parameters(settings: Settings, known: Mapping[str, Any]) -> Settings:
    """Returns the settings with the parameters in the types of the pipeline's own: a variable holds but text."""
    typed: dict[str, Any] = {}
    for name, value in settings.job.parameters.items():
        if name not in known:
            raise UsageError(
                f"pipeline {settings.pipeline} has no parameter {name!r}",
                hint=f"it has: {', '.join(sorted(known)) or 'none'}",
            )
        kind = type(known[name])
        try:
            # By pydantic: Python's own bool takes any text for true, and int cuts off what it cannot hold.
            typed[name] = str(value) if kind is str else TypeAdapter(kind).validate_python(value)
        except ValidationError:
            raise UsageError(
                f"parameter {name} of pipeline {settings.pipeline} is {value!r}, not of type {kind.__name__}",
                hint=f"for example TANDEM_JOB__PARAMETERS__{name.upper()}={known[name]}",
            ) from None
    return settings.model_copy(update={"job": settings.job.model_copy(update={"parameters": typed})})


def _origins(layers: Mapping[str, Mapping[str, Any]], environment: Mapping[str, str]) -> dict[str, str]:
    """Returns the place that sets each value, by ``section.key``; of the environment, the variable."""
    found: dict[str, str] = {}
    for place, values in layers.items():
        for name, _ in leaves(values):
            found.setdefault(name, _variable_of(name, environment) if place == _ENVIRONMENT else place)
    return found


def _variable_of(name: str, environment: Mapping[str, str]) -> str:
    """Returns the variable that sets a value, itself or as a part of the JSON of its section."""
    path = tuple(name.split("."))
    found = (setter(path[:length], environment) for length in range(len(path), 0, -1))
    return next(filter(None, found), _ENVIRONMENT)


def _wrong(error: ValidationError, profile: str) -> UsageError:
    first = error.errors(include_url=False, include_input=False)[0]
    path = [str(part) for part in first["loc"]]
    name, places = ".".join(path), places_tried(path, profile)
    if first["type"] != "extra_forbidden":
        return UsageError(
            f"setting {name} of profile {profile}: {first['msg']} ({places})", hint="correct it where it is set"
        )
    near = get_close_matches(name, (".".join(path) for path, _ in fields()), n=1)
    return UsageError(
        f"there is no setting {name}, which profile {profile} has ({places})",
        hint=f"did you mean {near[0]}?" if near else "remove it where it is set",
    )


def _nested(values: Iterable[tuple[Sequence[str], Any]]) -> dict[str, Any]:
    """Returns a dictionary that is nested like the settings."""
    found: dict[str, Any] = {}
    for path, value in values:
        for key in reversed(path):
            value = {key: value}
        found = _merged(found, value)
    return found


def _merged(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Returns one dictionary of all layers' values; a later layer wins."""
    result: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            known = result.get(key)
            if isinstance(known, Mapping) and isinstance(value, Mapping):
                result[key] = _merged(known, value)
            else:
                result[key] = value
    return result


def _absolute(path: str | Path) -> Path:
    return Path(path).expanduser().absolute()
