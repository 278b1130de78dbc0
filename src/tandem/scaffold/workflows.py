"""Writes the workflows that test and deploy pipelines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from tandem.checkout import RECORD
from tandem.errors import DISTRIBUTION, TandemError, UsageError

_TEMPLATES = Path(__file__).parent / "github"
_PIPELINE, _PROFILE = "the-pipeline", "the-profile"
# A step that installs Tandem in its checkout, below the comment with the extras that it needs elsewhere.
_INSTALL = re.compile(rf"      # In Tandem.*({DISTRIBUTION}\[[a-z,]+\]).*\n      - run: \|\n(?: {{10}}pip .*\n)+")
# The same in a project, whose requirements name the version.
_OF_PROJECT = r"      - run: pip install -r requirements.txt '\1'\n"
# The step that sends records through the pipelines, below its name.
_RUN = re.compile(r"      - name: Send records.*\n        run: tandem --profile embedded run\n")
_RUN_SOME = """      - name: Send records, and verify the documents of the pipelines with a generator and an oracle
        run: tandem --profile embedded --pipeline the-verified run
"""


class CiService(StrEnum):
    """The service that runs workflows."""

    GITHUB = "github"


def write_workflows(folder: Path, pipelines: Sequence[str], verified: Sequence[str], profile: str) -> list[Path]:
    """Returns the files that it wrote, all of them or none.

    Args:
        folder: the repository.
        pipelines: the pipelines' names.
        verified: those of them that ``tandem run`` can run, because they have a generator and an oracle.
        profile: the profile to deploy to.

    Raises:
        UsageError: one of them exists.
        TandemError: the folder cannot be written.
    """
    target = folder / ".github" / "workflows"
    texts = {target / source.name: source.read_text("utf-8") for source in sorted(_TEMPLATES.glob("*.yml"))}
    if (folder / RECORD).is_file():
        texts = {file: _INSTALL.sub(_OF_PROJECT, text) for file, text in texts.items()}
    if list(verified) != list(pipelines):
        step = _RUN_SOME.replace("the-verified", ",".join(verified)) if verified else ""
        texts = {file: _RUN.sub(step, text) for file, text in texts.items()}
    for file in texts:
        if file.exists():
            raise UsageError(f"{file} exists already", hint="delete it first; nothing was changed")
    try:
        target.mkdir(parents=True, exist_ok=True)
        for file, text in texts.items():
            file.write_text(text.replace(_PIPELINE, ",".join(pipelines)).replace(_PROFILE, profile), "utf-8")
    except OSError as error:
        raise TandemError(f"{target} cannot be written: {error.strerror}", hint="call it in your repository") from None
    return list(texts)
