"""Writes the workflows that test and deploy pipelines."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from tandem.errors import TandemError, UsageError

_TEMPLATES = Path(__file__).parent / "github"
_PIPELINE, _PROFILE = "the-pipeline", "the-profile"


class CiService(StrEnum):
    """The service that runs workflows."""

    GITHUB = "github"


def write_workflows(folder: Path, pipeline: str, profile: str) -> list[Path]:
    """Returns the files that it wrote, all of them or none.

    Args:
        folder: the repository.
        pipeline: the pipeline's name, or several, separated by commas.
        profile: the profile to deploy to.

    Raises:
        UsageError: one of them exists.
        TandemError: the folder cannot be written.
    """
    target = folder / ".github" / "workflows"
    texts = {target / source.name: source.read_text("utf-8") for source in sorted(_TEMPLATES.glob("*.yml"))}
    for file in texts:
        if file.exists():
            raise UsageError(f"{file} exists already", hint="delete it first; nothing was changed")
    try:
        target.mkdir(parents=True, exist_ok=True)
        for file, text in texts.items():
            file.write_text(text.replace(_PIPELINE, pipeline).replace(_PROFILE, profile), "utf-8")
    except OSError as error:
        raise TandemError(f"{target} cannot be written: {error.strerror}", hint="call it in your repository") from None
    return list(texts)
