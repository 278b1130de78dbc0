"""Loads the settings of a profile. The only reader of the environment."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsError

from tandem.errors import UsageError
from tandem.settings.model import Settings
from tandem.settings.origin import COMMAND_LINE, ENVIRONMENT, MISSING, origins
from tandem.settings.pipeline import OfPipeline, typed_parameters
from tandem.settings.sources import Loaded, of_variables, settled
from tandem.settings.variables import check, fields, read_dotenv, variable, without_parameters

_OF_PIPELINE = "the pipeline's settings.toml"


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
    named = os.environ.get("TANDEM_PIPELINES_DIR") or Settings.model_fields["pipelines_dir"].default
    return Path(named).expanduser().absolute()


def load(
    profile: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    *,
    incomplete: bool = False,
    named: bool = True,
) -> Settings:
    """Returns the settings of a profile.

    Args:
        profile: its name; None for ``TANDEM_PROFILE``.
        overrides: values of command-line flags, nested like the settings; they win over everything else.
        incomplete: whether what is required may be missing. It then has its own name in angle brackets as its value:
            for showing, not for connecting.
        named: whether the pipeline is one that the command names; only those get the environment's parameters.

    Raises:
        UsageError: no such profile, or a value is missing or wrong; the message names the field and places.
    """
    return _load(profile, overrides, incomplete=incomplete, named=named)[0]


def pipelines_named(profile: str | None = None, overrides: Mapping[str, Any] | None = None) -> tuple[str, ...]:
    """Returns the pipelines that these sources name, the first one first; ``load`` returns the settings of that one.

    To load those of another one, name it in ``overrides``; only then is a name refused that is no pipeline's.
    """
    _, sources = _load(profile, overrides, incomplete=True)
    source = sources[_OF_PIPELINE]
    return source.named if isinstance(source, OfPipeline) else ()


def load_one() -> Settings:
    """Returns the settings of TANDEM_PROFILE for a program that is about one pipeline.

    Raises:
        UsageError: several are named, or as ``load`` does.
    """
    first, *others = pipelines_named()
    if others:
        raise UsageError(
            f"this program is about one pipeline, and TANDEM_PIPELINE names {len(others) + 1}",
            hint=f"name one, such as {first}; `tandem --profile local --pipeline a,b up` starts containers for each",
        )
    return load()


def load_with_origins(
    profile: str | None = None, overrides: Mapping[str, Any] | None = None
) -> tuple[Settings, dict[str, str]]:
    """Returns what ``load`` returns when it may be incomplete, and of each value that is not a default its place.

    Returns:
        The settings, and for ``section.key`` an environment variable, the name of a file, or ``MISSING`` for what is
        required and set nowhere.
    """
    settings, sources = _load(profile, overrides, incomplete=True)
    missing = missing_of(settings, (*settings.required, *settings.required_to_deploy))
    return settings, {**origins(settings, sources), **dict.fromkeys(missing, MISSING)}


def _load(
    profile: str | None, overrides: Mapping[str, Any] | None, *, incomplete: bool, named: bool = True
) -> tuple[Settings, dict[str, PydanticBaseSettingsSource]]:
    document = _document()
    known, base = document["profile"], document["base"]
    chosen = chosen_profile(profile)
    if chosen is None:
        raise UsageError("no profile is named", hint=f"set TANDEM_PROFILE to one of: {', '.join(sorted(known))}")
    name, _ = chosen
    if name not in known:
        raise UsageError(f"there is no profile {name!r}", hint=f"choose one of: {', '.join(sorted(known))}")
    dotenv = Path(f".env.{name}")
    variables = read_dotenv(dotenv)
    check(variables, str(dotenv))
    check(os.environ, "the environment")
    environment = os.environ if named else without_parameters(os.environ)
    sources: dict[str, PydanticBaseSettingsSource] = {}

    class _Loaded(Loaded):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            del env_settings, dotenv_settings, file_secret_settings
            sources.update(
                {
                    COMMAND_LINE: init_settings,
                    ENVIRONMENT: of_variables(settings_cls, environment),
                    str(dotenv): of_variables(settings_cls, variables),
                    f"profiles.toml [profile.{name}]": InitSettingsSource(settings_cls, init_kwargs=known[name]),
                    _OF_PIPELINE: OfPipeline(settings_cls, default=base["pipeline"]),
                    "profiles.toml [base]": InitSettingsSource(settings_cls, init_kwargs=base),
                }
            )
            return tuple(sources.values())

    try:
        settings = typed_parameters(settled(_Loaded(**{**(overrides or {}), "profile": name})))
    except ValidationError as error:
        raise _wrong(error, name) from None
    except SettingsError as error:
        raise UsageError(str(error), hint="write its value as JSON") from None
    if incomplete:
        return _with_names(settings), sources
    require(settings, settings.required)
    return settings, sources


def _document() -> dict[str, Any]:
    """Returns the file's document; a profile that is like another one has that one's values, too."""
    document = tomllib.loads(resources.files(__package__).joinpath("profiles.toml").read_text("utf-8"))
    own: dict[str, dict[str, Any]] = document["profile"]
    like = {name: own[values.pop("like")] if "like" in values else {} for name, values in own.items()}
    return {**document, "profile": {name: _merged(like[name], values) for name, values in own.items()}}


def require(settings: Settings, names: Iterable[str]) -> None:
    """Raises when one of the fields, which have no defaults, was not set.

    Raises:
        UsageError: the message names the field and the places that were looked at.
    """
    if missing := missing_of(settings, names):
        name, profile = missing[0], settings.profile
        places = _places(name.split("."), profile)
        raise UsageError(
            f"setting {name} of profile {profile}: it has no default and is not set ({places})",
            hint=f"`tandem --profile {profile} config show` lists all settings, and those that are missing",
        )


def missing_of(settings: Settings, names: Iterable[str]) -> list[str]:
    """Returns those of the fields, named ``section.key``, that were not set."""
    parts = (name.partition(".") for name in names)
    return [f"{section}.{key}" for section, _, key in parts if key not in getattr(settings, section).model_fields_set]


def _with_names(settings: Settings) -> Settings:
    missing = missing_of(settings, (*settings.required, *settings.required_to_deploy))
    for section, _, key in (field.partition(".") for field in missing):
        # Not validated, and not among the fields that were set.
        named = getattr(settings, section).model_copy()
        object.__setattr__(named, key, f"<{section}.{key}>")
        settings = settings.model_copy(update={section: named})
    return settings


def _wrong(error: ValidationError, profile: str) -> UsageError:
    first = error.errors(include_url=False, include_input=False)[0]
    field = [str(part) for part in first["loc"]]
    name, places = ".".join(field), _places(field, profile)
    if first["type"] != "extra_forbidden":
        return UsageError(
            f"setting {name} of profile {profile}: {first['msg']} ({places})", hint="correct it where it is set"
        )
    near = get_close_matches(name, (".".join(path) for path, _ in fields()), n=1)
    return UsageError(
        f"there is no setting {name}, which profile {profile} has ({places})",
        hint=f"did you mean {near[0]}?" if near else "remove it where it is set",
    )


def _places(field: list[str], profile: str) -> str:
    """Returns where a setting was looked for."""
    dotenv = Path(f".env.{profile}")
    absent = "" if dotenv.exists() else " (not there)"
    return f"looked at: {variable(field)}, {dotenv}{absent}, profiles.toml, the pipeline's settings.toml"


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in over.items():
        result[key] = _merged(result[key], value) if isinstance(value, dict) and key in result else value
    return result
