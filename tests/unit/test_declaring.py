"""What the engine refuses of a declaration, when it is made."""

from __future__ import annotations

from typing import Any, cast

import pytest

from tandem.pipeline import Output, Pipeline, SupersededBy

DOCUMENTS = IDS = cast(Any, None)


def declared(*outputs: Output) -> Pipeline:
    return Pipeline("p", (), DOCUMENTS, outputs, "dead")


@pytest.mark.parametrize(
    "other",
    [
        Output("elsewhere", DOCUMENTS),
        Output("facts", DOCUMENTS, window=("start", "end")),
        Output("facts", DOCUMENTS, superseded_by=SupersededBy("absent", IDS)),
    ],
)
def test_only_documents_that_are_right_for_good_supersede_others(other: Output) -> None:
    with pytest.raises(ValueError, match="absent is superseded by facts"):
        declared(Output("absent", DOCUMENTS, superseded_by=SupersededBy("facts", IDS)), other)


def test_documents_may_be_superseded() -> None:
    assert declared(Output("facts", DOCUMENTS), Output("absent", DOCUMENTS, superseded_by=SupersededBy("facts", IDS)))
