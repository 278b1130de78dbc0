"""Writes a project: the files around a folder of pipelines."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path

from tandem import __version__
from tandem.checkout import RECORD, checkout
from tandem.errors import DISTRIBUTION, TandemError, UsageError
from tandem.scaffold.pipeline_folder import EXAMPLE, SHARED
from tandem.settings.editor_schema import schema_text
from tandem.settings.profiles import packaged_names

_TEMPLATES = Path(__file__).parent / "project_files"
# The beginning of a template's name for a file or folder that begins with a dot.
_DOT = "dot-"
_NAME, _VERSION = "the-project", "the-version"


def project_name(folder: Path) -> str:
    """Returns the project's name: its folder's, as Docker Compose accepts names."""
    return re.sub(r"[^a-z0-9]+", "-", folder.name.lower()).strip("-") or "tandem"


def files_of(name: str) -> dict[str, str]:
    """Returns the texts of a project's files by their paths, without the record.

    Args:
        name: the project's name.
    """
    texts = {}
    for template in sorted(path for path in _TEMPLATES.rglob("*") if path.is_file() and path.suffix != ".pyc"):
        parts = (part.replace(_DOT, ".", 1) for part in template.relative_to(_TEMPLATES).parts)
        text = template.read_text("utf-8")
        texts[str(Path(*parts))] = text.replace(_NAME, name).replace(_VERSION, __version__)
    # Editors complete and check tandem.toml by it.
    texts["tandem.schema.json"] = schema_text(packaged_names())
    return texts | {f"pipelines/{shared}": (EXAMPLE / shared).read_text("utf-8") for shared in SHARED}


def record_of(name: str, texts: Mapping[str, str]) -> str:
    """Returns the text of the record.

    A renamed folder keeps the project's name.
    """
    digests = {path: digest(text) for path, text in sorted(texts.items())}
    return json.dumps({"name": name, "version": __version__, "files": digests}, indent=2) + "\n"


def digest(text: str) -> str:
    """Returns the digest of a file's text."""
    return hashlib.sha256(text.encode()).hexdigest()


def text_of(file: Path) -> str | None:
    """Returns a file's text; None if it does not exist."""
    return file.read_text("utf-8", "replace") if file.is_file() else None


def create(folder: Path) -> list[str]:
    """Writes a new project; returns the paths of its files.

    Args:
        folder: the project. Files of the same text may be there, for example those of ``tandem new``.

    Raises:
        UsageError: the folder has other files of these names.
        TandemError: a file cannot be written; nothing was changed.
    """
    name = project_name(folder)
    texts = files_of(name)
    taken = sorted(path for path, text in texts.items() if text_of(folder / path) not in (None, text))
    if taken:
        raise UsageError(
            f"{folder} has other files of these names: {', '.join(taken)}",
            hint="move them, call `tandem init` again, and merge them; nothing was changed",
        )
    texts |= {RECORD: record_of(name, texts)}
    write(folder, texts)
    return list(texts)


def write(folder: Path, texts: Mapping[str, str]) -> None:
    """Writes files. If one cannot be written, those that did not exist are deleted.

    Raises:
        TandemError: a file cannot be written.
    """
    new: list[Path] = []
    try:
        for path, text in texts.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            if not file.exists():
                new.append(file)
            file.write_text(text, "utf-8")
    except OSError as error:
        for file in new:
            file.unlink(missing_ok=True)
        raise TandemError(
            f"{error.filename} cannot be written: {error.strerror}", hint="call it in a folder of yours"
        ) from None


def check_place(folder: Path) -> None:
    """Raises if a folder cannot be a project of its own.

    Raises:
        UsageError: this Tandem runs from a checkout, or the folder is in one or in another project.
    """
    if own := checkout():
        raise UsageError(
            f"this Tandem runs from its checkout {own}, which is a project already",
            hint=f"write pipelines there, or install the package: pipx install '{DISTRIBUTION}[embedded]'",
        )
    for place in (folder, *folder.parents):
        if (place / "src" / "tandem" / "checkout.py").is_file():
            raise UsageError(f"{place} is a checkout of Tandem", hint="call `tandem init` in an empty folder elsewhere")
    if outer := next((each for each in folder.parents if (each / RECORD).is_file()), None):
        raise UsageError(f"{folder} is in the project {outer}", hint=f"call `tandem init` in {outer}, or elsewhere")
