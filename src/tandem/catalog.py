"""Finds a pipeline by its name, in the user's folder or among the bundled ones."""

from __future__ import annotations

import importlib
import os
import re
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec, spec_from_file_location
from keyword import iskeyword
from pathlib import Path
from types import ModuleType

from tandem.engine.declare.collection import ID, Collection, Lookup
from tandem.engine.declare.field_type import DocumentType
from tandem.engine.declare.kind import Timestamp
from tandem.engine.declare.modules import forget
from tandem.engine.declare.pipeline import Pipeline
from tandem.engine.declare.stream import Stream
from tandem.engine.declare.view import Column, Shown, View
from tandem.errors import UsageError

BUNDLED = Path(__file__).parent / "pipelines"
# The names that Google's ids and labels, MongoDB's databases and Python's packages all allow.
NAME_RULE = "lower-case letters, digits and _, for example page_views; at most 63, not with _ at an end"
_NAME = re.compile(r"[a-z]([a-z0-9_]{0,61}[a-z0-9])?")
# Either of these files makes a folder a pipeline.
_MARKS = ("streams.py", "transform.py")
# What a module ``streams`` must have.
_NAMES = ("STREAMS", "DEAD_LETTER_TOPIC", "COLLECTIONS")


@dataclass(frozen=True)
class PipelineLocation:
    """The location of a pipeline.

    Attributes:
        name: the pipeline's name.
        package: its Python package.
        folder: the package's folder.
    """

    name: str
    package: str
    folder: Path

    @property
    def root(self) -> Path:
        """The folder that must be on the Python path for the package to be found."""
        return self.folder.parents[self.package.count(".")]

    @property
    def is_bundled(self) -> bool:
        """Whether the pipeline comes with Tandem."""
        return self.folder.parent == BUNDLED

    def variables(self, inherited: Mapping[str, str]) -> dict[str, str]:
        """Returns the environment of a program that imports the package."""
        path = filter(None, (inherited.get("PYTHONPATH"), str(self.root)))
        return {**inherited, "PYTHONPATH": os.pathsep.join(path)}

    def file(self, module: str) -> Path:
        """Returns the path of one of its modules, which need not exist."""
        return self.folder / f"{module}.py"

    def has(self, *modules: str) -> bool:
        """Returns whether all these modules are there."""
        return all(self.file(each).is_file() for each in modules)

    def module(self, name: str) -> ModuleType:
        """Returns one of its modules.

        Raises:
            UsageError: the module is missing or cannot be imported; the message names the line.
        """
        if str(self.root) not in sys.path:
            # At the end, so that files beside a user's pipelines hide no installed package.
            sys.path.append(str(self.root))
        try:
            self._import_parent()
            return importlib.import_module(f"{self.package}.{name}")
        except Exception as error:
            if not self.file(name).is_file():
                raise UsageError(
                    f"pipeline {self.name!r} has no {self.file(name)}", hint="`tandem new` creates every module"
                ) from None
            raise UsageError(
                f"{self._line(error)}: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}",
                hint=f"fix pipeline {self.name!r} there; --debug shows the stack trace",
            ) from error

    def _import_parent(self) -> None:
        """Registers the user's folder as the package, ahead of others on ``sys.path``."""
        name, _, rest = self.package.partition(".")
        folder, known = self.folder.parent, sys.modules.get(name)
        if rest != self.name or (known and str(folder) in getattr(known, "__path__", ())):
            return
        file = folder / "__init__.py"
        spec = spec_from_file_location(name, file, submodule_search_locations=[str(folder)])
        if not file.is_file() or spec is None or spec.loader is None:
            spec = ModuleSpec(name, None)
            spec.submodule_search_locations = [str(folder)]
        sys.modules[name] = module = module_from_spec(spec)
        if spec.loader:
            spec.loader.exec_module(module)

    def forget(self) -> None:
        """Removes the imported modules, so that ``module`` reads the files again."""
        forget(self.package)

    def _line(self, error: Exception) -> str:
        """Returns the file and line of an error in the pipeline's own files."""
        if isinstance(error, SyntaxError) and error.filename:
            return f"{error.filename}:{error.lineno}"
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if Path(frame.filename).is_relative_to(self.folder)]
        return f"{own[-1].filename}:{own[-1].lineno}" if own else str(self.folder)


def find(name: str, own: Path) -> PipelineLocation:
    """Returns the location of a pipeline.

    Args:
        name: its folder's name.
        own: the user's folder of pipelines, which need not exist.

    Raises:
        UsageError: there is no such pipeline.
    """
    if not is_name(name) and name in _folders(own):
        raise UsageError(f"{own / name} has a name that a pipeline cannot have", hint=f"rename it: {NAME_RULE}")
    if is_name(name):
        for package, folder in ((own.name, own / name), ("tandem.pipelines", BUNDLED / name)):
            if any((folder / mark).is_file() for mark in _MARKS):
                return PipelineLocation(name, f"{package}.{name}", folder)
    raise UsageError(
        f"there is no pipeline {name!r} in {own} or among Tandem's own",
        hint=f"choose one of: {', '.join(names(own))}; or `tandem new {name if is_name(name) else 'NAME'}`",
    )


def is_name(name: str) -> bool:
    """Returns whether a name is valid for a pipeline.

    The rule is the same for all profiles.
    """
    return _NAME.fullmatch(name) is not None and not iskeyword(name)


def names_in(text: str) -> tuple[str, ...]:
    """Returns the pipelines that a text such as ``a,b`` names, each once."""
    return tuple(dict.fromkeys(name for part in text.split(",") if (name := part.strip()))) or (text,)


def names(own: Path) -> list[str]:
    """Returns all pipelines that can be found."""
    return sorted(filter(is_name, _folders(own)))


def _folders(own: Path) -> set[str]:
    """Returns the names of all folders of pipelines."""
    files = (file for folder in (own, BUNDLED) for mark in _MARKS for file in folder.glob(f"*/{mark}"))
    return {file.parent.name for file in files}


@dataclass(frozen=True)
class Declaration:
    """A pipeline's declarations for programs without Spark.

    Attributes:
        streams: the streams that it reads.
        dead_letter_topic: the topic of rejected records.
        collections: the collections that it writes.
        lookups: the collections that its transform looks up.
        view: what the dashboard shows; None if the module ``streams`` has no ``VIEW``.
    """

    streams: tuple[Stream, ...]
    dead_letter_topic: str
    collections: tuple[Collection, ...]
    lookups: tuple[Lookup, ...]
    view: View | None


def declared_by(location: PipelineLocation) -> Declaration:
    """Returns the declarations of a pipeline's module ``streams``.

    Without it, those that ``transform`` implies.

    Raises:
        UsageError: the module is wrong.
    """
    if location.file("streams").is_file():
        module = location.module("streams")
        missing = [name for name in _NAMES if not hasattr(module, name)]
        if missing:
            raise UsageError(
                f"{location.file('streams')} does not declare {', '.join(missing)}",
                hint="`tandem new` creates a pipeline that declares everything",
            )
        view = getattr(module, "VIEW", None)
        return Declaration(
            tuple(module.STREAMS),
            str(module.DEAD_LETTER_TOPIC),
            tuple(module.COLLECTIONS),
            tuple(getattr(module, "LOOKUPS", ())),
            view if isinstance(view, View) else None,
        )
    pipeline: Pipeline = location.module("transform").PIPELINE
    collections = tuple(
        Collection(each.collection) if isinstance(each.collection, str) else each.collection
        for each in pipeline.outputs
    )
    view = _plain_view(pipeline, collections[0])
    return Declaration(pipeline.streams, pipeline.dead_letter_topic, collections, pipeline.lookups, view)


def _plain_view(pipeline: Pipeline, results: Collection) -> View:
    """Returns a view of a collection.

    Without declared fields, it shows those of the first stream.
    """
    stream = pipeline.streams[0]
    times = {name for name, kind in stream.fields.items() if isinstance(kind, Timestamp)}
    if results.fields:
        times = {name for name, kind in results.fields.items() if kind is DocumentType.TIMESTAMP}
    fields = tuple(results.fields or stream.fields)
    shown = {name: Shown.TIME if name in times else Shown.TEXT for name in fields}
    time, identity = stream.time_column, stream.identity_column
    return View(
        title=pipeline.name,
        results=results,
        noun="documents",
        columns=(Column(ID, ID), *(Column(name, name, how) for name, how in shown.items())),
        event_times=(time,) if time in fields else (),
        key=identity,
        key_title=identity,
        aggregates=identity not in fields,
    )
