"""Loads a profile's settings.

No other module reads them from the environment and from files.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from tandem.catalog import PipelineLocation, find, names_in
from tandem.checkout import project_root, state_folder
from tandem.errors import UsageError
from tandem.parsing import read_toml
from tandem.settings.loaded import LoadedSettings, leaves, missing_of, places_tried
from tandem.settings.model import Settings
from tandem.settings.profiles import Profile, base, dotenv_file, own_file, profiles
from tandem.settings.sources import (
    HOME,
    absolute,
    check,
    fields,
    merged,
    nested,
    read_dotenv,
    referenced,
    setter,
    values_of,
    variable,
    with_absolute_paths,
    without_parameters,
)

# The file in a pipeline's folder with the pipeline's own settings.
SETTINGS = "settings.toml"
_COMMAND_LINE = "command line"
_ENVIRONMENT = "environment"
_MISSING = "missing"


def chosen_profile(flag: str | None) -> tuple[str, str] | None:
    """Returns the profile of the flag or of ``TANDEM_PROFILE``, and which one named it.

    None for neither.
    """
    if flag:
        return flag, "--profile"
    named = os.environ.get("TANDEM_PROFILE")
    return (named, "TANDEM_PROFILE") if named else None


def own_pipelines() -> Path:
    """Returns the user's folder of pipelines, without a profile; it may not exist."""
    own = os.environ.get("TANDEM_PIPELINES_DIR")
    return absolute(own, Path.cwd()) if own else absolute(base()["pipelines_dir"], project_root())


def load(profile: str | None = None, overrides: Mapping[str, Any] | None = None, *, named: bool = True) -> Settings:
    """Returns the settings of a profile, complete.

    The arguments are those of ``read_settings``.

    Raises:
        UsageError: as ``read_settings`` does, or a required value is not set.
    """
    return read_settings(profile, overrides, named=named).complete()


def load_one() -> Settings:
    """Returns the settings of TANDEM_PROFILE for a program that serves one pipeline.

    Raises:
        UsageError: several are named, or as ``load`` does.
    """
    loaded = read_settings()
    first, *others = loaded.pipelines
    if others:
        raise UsageError(
            f"this program serves one pipeline, and TANDEM_PIPELINE names {len(others) + 1}",
            hint=f"name one, such as {first}; `tandem --profile local --pipeline a,b up` starts containers for each",
        )
    return loaded.complete()


def read_settings(
    profile: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    *,
    named: bool = True,
    shell: bool = True,
) -> LoadedSettings:
    """Returns the settings of a profile with their origins.

    Args:
        profile: its name; None for ``TANDEM_PROFILE``.
        overrides: values of command-line flags, nested like the settings; they take precedence.
        named: whether the command names the pipeline; only then the environment's parameters apply to it.
        shell: whether the environment applies; False for a profile that is only compared.

    Raises:
        UsageError: the profile or pipeline does not exist, or a value is wrong; the message names setting and places.
    """
    known = profiles()
    found = _named(profile, known)
    root, dotenv = project_root(), dotenv_file(found.name)
    variables = read_dotenv(dotenv)
    secrets = _referenced(known)
    check(variables, str(dotenv), secrets)
    check(os.environ, "the environment", secrets)
    environment: Mapping[str, str] = os.environ if shell else {}
    if not named:
        environment = without_parameters(environment)
    # The first one wins.
    layers: dict[str, Mapping[str, Any]] = {
        _COMMAND_LINE: with_absolute_paths(overrides or {}, Path.cwd()),
        _ENVIRONMENT: with_absolute_paths(nested(values_of(environment)), Path.cwd()),
        str(dotenv): nested(values_of(variables)),
        **dict(found.layers),
    }
    # These layers choose the pipeline; its settings.toml is the next layer.
    chosen = merged(base(), *reversed(layers.values()))
    pipelines = names_in(str(chosen["pipeline"]))
    location = find(pipelines[0], absolute(chosen["pipelines_dir"], root))
    own = _of_pipeline(location)
    parameters = _parameters_of(own)
    if not named:
        # A file may have parameters of another pipeline.
        layers = {place: _with_parameters(values, parameters) for place, values in layers.items()}
    layers |= {"the pipeline's settings.toml": own, "profiles.toml [base]": base()}
    values = merged({"state_dir": state_folder()}, *reversed(layers.values()))
    values |= {"profile": found.name, "profile_file": found.file, "pipeline": location.name, "location": location}
    try:
        settings = Settings.model_validate(_resolved(values, root))
    except ValidationError as error:
        raise _wrong(error, found.name) from None
    if found.values.get("protected") and not settings.protected:
        raise UsageError(
            f"the profile {found.name} is protected in {found.origin}; only that file can change it",
            hint=f"remove {variable(('protected',))}, and confirm a command with --confirm {found.name}",
        )
    missing = missing_of(settings, settings.needed_to_deploy)
    origins = {**_origins(layers, environment), **dict.fromkeys(missing, _MISSING)}
    settings = _with_typed_parameters(settings, parameters, origins)
    used = referenced(value for _, value in leaves(values)) & variables.keys()
    return LoadedSettings(settings, pipelines, origins, missing, {name: variables[name] for name in used})


def _referenced(known: Mapping[str, Profile]) -> set[str]:
    """Returns the variables to which any profile refers.

    The shell may have those of several.
    """
    values: list[Any] = [*os.environ.values()]
    for profile in known.values():
        # A wrong file is reported when its profile is used.
        with suppress(UsageError):
            values += read_dotenv(dotenv_file(profile.name)).values()
        values += (value for _, layer in profile.layers for _, value in leaves(layer))
    return referenced(values)


def _parameters_of(values: Mapping[str, Any]) -> Mapping[str, Any]:
    match values:
        case {"job": {"parameters": dict() as parameters}}:
            return parameters
    return {}


def _with_parameters(values: Mapping[str, Any], known: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns a layer's values without parameters of other pipelines."""
    kept = {name: value for name, value in _parameters_of(values).items() if name in known}
    return {**values, "job": {**values["job"], "parameters": kept}} if _parameters_of(values) else values


def _named(name: str | None, known: Mapping[str, Profile]) -> Profile:
    chosen = chosen_profile(name)
    if chosen is None:
        raise UsageError("no profile is named", hint=f"set TANDEM_PROFILE to one of: {', '.join(sorted(known))}")
    wanted, _ = chosen
    if wanted not in known:
        own = "" if own_file().exists() else f"; there is no {own_file()} with profiles of your own"
        raise UsageError(f"there is no profile {wanted!r}", hint=f"choose one of: {', '.join(sorted(known))}{own}")
    return known[wanted]


def _of_pipeline(location: PipelineLocation) -> dict[str, Any]:
    """Returns the values of a pipeline's settings.toml.

    The default database has the pipeline's name.
    """
    file = location.folder / SETTINGS
    values = read_toml(file, "it is a TOML file, like profiles.toml")
    return merged({"mongo": {"database": location.name}}, values)


def _resolved(values: Mapping[str, Any], root: Path) -> dict[str, Any]:
    """Returns the values with absolute paths and with the placeholders replaced."""
    home = absolute(values["state_dir"], root) / values["profile"]
    placeholders = {HOME: str(home), "{environment}": str(values["environment"])}

    def filled(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: filled(inner) for key, inner in value.items()}
        if isinstance(value, str):
            for name, text in placeholders.items():
                value = value.replace(name, text)
        return value

    return with_absolute_paths(filled(values), root)


def _with_typed_parameters(settings: Settings, known: Mapping[str, Any], origins: Mapping[str, str]) -> Settings:
    """Returns the settings with typed parameters.

    The types are those in settings.toml, because a variable has only text.
    """
    typed: dict[str, Any] = {}
    for name, value in settings.job.parameters.items():
        place = origins.get(f"job.parameters.{name}", _ENVIRONMENT)
        if name not in known:
            raise UsageError(
                f"pipeline {settings.pipeline} has no parameter {name!r}, which is set by: {place}",
                hint=f"it has: {', '.join(sorted(known)) or 'none'}",
            )
        kind = type(known[name])
        try:
            # Python's bool would accept any text as true, and int would truncate fractions.
            typed[name] = str(value) if kind is str else TypeAdapter(kind).validate_python(value)
        except ValidationError:
            raise UsageError(
                f"parameter {name} of pipeline {settings.pipeline} is {value!r}, not of type {kind.__name__} ({place})",
                hint=f"for example TANDEM_JOB__PARAMETERS__{name.upper()}={known[name]}",
            ) from None
    return settings.model_copy(update={"job": settings.job.model_copy(update={"parameters": typed})})


def _origins(layers: Mapping[str, Mapping[str, Any]], environment: Mapping[str, str]) -> dict[str, str]:
    """Returns the place or variable that sets each value, by ``section.key``."""
    origins: dict[str, str] = {}
    for place, values in layers.items():
        for name, _ in leaves(values):
            origins.setdefault(name, _variable_of(name, environment) if place == _ENVIRONMENT else place)
    return origins


def _variable_of(name: str, environment: Mapping[str, str]) -> str:
    """Returns the variable that sets a value, alone or in the JSON of its section."""
    path = tuple(name.split("."))
    setters = (setter(path[:length], environment) for length in range(len(path), 0, -1))
    return next(filter(None, setters), _ENVIRONMENT)


def _wrong(error: ValidationError, profile: str) -> UsageError:
    first = error.errors(include_url=False, include_input=False)[0]
    path = [str(part) for part in first["loc"]]
    name, places = ".".join(path), places_tried(path, profile)
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] != "extra_forbidden":
        return UsageError(
            f"setting {name} of profile {profile}: {message} ({places})", hint="correct it where it is set"
        )
    near = get_close_matches(name, (".".join(path) for path, _ in fields()), n=1)
    return UsageError(
        f"the setting {name} of profile {profile} does not exist ({places})",
        hint=f"did you mean {near[0]}?" if near else "remove it where it is set",
    )
