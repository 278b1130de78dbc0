"""An error in a pipeline's own code is told by its file and line."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from tandem.engine.failure import MUST_NOT_GO_ON, CannotGoOnError, failure_of_code, mongo_error

CODE = """
def transform(rows):
    return rows.selekt("a")

transform([])
"""


def test_an_error_from_a_pipelines_code_names_the_line(tmp_path: Path) -> None:
    file = tmp_path / "transform.py"
    file.write_text(CODE)
    with pytest.raises(AttributeError) as caught:
        runpy.run_path(str(file))
    failure = failure_of_code(caught.value, tmp_path)
    assert failure is not None
    assert failure.reason == f"{file}:3: AttributeError: 'list' object has no attribute 'selekt'"
    assert failure.exit_code == MUST_NOT_GO_ON
    # Of another folder it is another's affair.
    assert failure_of_code(caught.value, tmp_path / "other") is None


@pytest.mark.parametrize(
    ("text", "final"),
    [
        ("org.bson.BsonMaximumSizeExceededException: Payload document size is larger than maximum", True),
        ("com.mongodb.MongoCommandException: Command failed with error 10334 (BSONObjectTooLarge)", True),
        ("com.mongodb.MongoCommandException: Command failed with error 13 (Unauthorized)", True),
        ("com.mongodb.MongoSocketReadException: Prematurely reached end of stream", False),
        ("com.mongodb.MongoCommandException: Command failed with error 189 (PrimarySteppedDown)", False),
    ],
)
def test_what_mongodb_will_never_take_is_not_tried_again(text: str, final: bool) -> None:
    assert isinstance(mongo_error(text, "writing facts"), CannotGoOnError) == final
