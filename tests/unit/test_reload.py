"""A reload that cannot succeed is told at once, with its reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tandem.errors import EnvironmentNotReadyError
from tandem.platforms import reload as module
from tandem.settings.load import load


class Unchanged:
    """A reader of progress to which nothing is added."""

    def __init__(self, *_: Any) -> None:
        self.closed = False

    def newest(self) -> None:
        return None

    def close(self) -> None:
        self.closed = True


def test_a_driver_that_ends_meanwhile_is_reported_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "ProgressReader", Unchanged)
    asked: list[None] = []
    reasons = iter((None, "job was given up: ended with exit code 4: the match window was changed"))
    with pytest.raises(EnvironmentNotReadyError, match="exit code 4: the match window was changed") as caught:
        module.reload(load("embedded", {"state_dir": tmp_path}), lambda: asked.append(None), lambda: next(reasons))
    assert asked == [None]
    assert caught.value.hint == module.SAVE_HINT
