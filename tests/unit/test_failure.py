"""An error in a pipeline's own code is told by its file and line."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any, cast

import pytest

from tandem.engine.failure import MUST_NOT_GO_ON, CannotGoOnError, failure_of, failure_of_code, mongo_error

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


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("CANNOT_LOAD_STATE_STORE.CANNOT_READ_DELTA_FILE_NOT_EXISTS", "is damaged"),
        ("STREAMING_STATEFUL_OPERATOR_MISSING_STATE_DIRECTORY", "is damaged"),
        ("STREAMING_STATEFUL_OPERATOR_NOT_MATCH_IN_STATE_METADATA", "incompatible version"),
        ("CHECKPOINT_FILE_CHECKSUM_VERIFICATION_FAILED", "is damaged"),
        ("STATE_STORE_VALUE_SCHEMA_NOT_COMPATIBLE", "incompatible version"),
    ],
)
def test_a_checkpoint_that_cannot_be_gone_on_with_is_not_tried_again(
    tmp_path: Path, condition: str, words: str
) -> None:
    error = Exception(f"[STREAM_FAILED] Query terminated with exception: [{condition}] Text.")
    failure = failure_of(cast(Any, error), tmp_path)
    assert words in failure.reason
    assert failure.exit_code == MUST_NOT_GO_ON


@pytest.mark.parametrize(
    ("text", "final"),
    [
        # A driver's, as the connector 4.0.4 has them.
        ("terminated with exception: Upload failed for 'gs://b/c/offsets/.3.tmp' SQLSTATE: XXKST", False),
        (
            "[CANNOT_LOAD_STATE_STORE.FAILED_TO_GET_CHANGELOG_WRITER] Text.\nCaused by: java.io.IOException: Multiple "
            "IOExceptions.\n\tSuppressed: java.io.IOException: Error getting 'gs://b/c/state/0' object",
            False,
        ),
        (
            "[FOREACH_BATCH_USER_FUNCTION_ERROR] Text.\n: java.io.IOException: Error accessing gs://b/c/commits/3\n"
            "Caused by: com.google.api.client.googleapis.json.GoogleJsonResponseException: 503 Service Unavailable\n",
            False,
        ),
        (
            "[CANNOT_LOAD_STATE_STORE] Text.\njava.io.FileNotFoundException: Item not found: gs://b/c/state/0/0/3.zip",
            True,
        ),
    ],
)
def test_a_checkpoint_that_cannot_be_reached_is_not_damaged(tmp_path: Path, text: str, final: bool) -> None:
    failure = failure_of(cast(Any, Exception(f"[STREAM_FAILED] {text}")), tmp_path)
    assert (failure.exit_code == MUST_NOT_GO_ON) == final
    assert failure.reason.startswith("Cloud Storage refused a request or did not answer") != final
    assert ("(503 Service Unavailable), about gs://b/c/commits/3" in failure.reason) == ("503" in text)
