"""Writes a driver's output to Cloud Storage and to Cloud Logging."""

from __future__ import annotations

from collections.abc import Callable

from google.cloud.exceptions import GoogleCloudError
from google.cloud.storage import Client
from requests.exceptions import RequestException

# Takes a piece of the output. It returns False if it could not; the next piece then begins with this one.
Output = Callable[[bytes], bool]


class PiecesInBucket:
    """Uploads each piece as an object of its own.

    The pieces of a driver that is started again follow.

    Args:
        client: Google's client.
        location: the URI prefix of the objects.
    """

    def __init__(self, client: Client, location: str) -> None:
        self._client = client
        self._bucket, _, self._prefix = location.removeprefix("gs://").partition("/")
        self._number: int | None = None

    def __call__(self, content: bytes) -> bool:
        """Returns whether the piece was uploaded."""
        try:
            if self._number is None:
                self._number = sum(1 for _ in self._client.list_blobs(self._bucket, prefix=self._prefix))
            self._client.bucket(self._bucket).blob(f"{self._prefix}.{self._number:09}").upload_from_string(content)
        except (GoogleCloudError, RequestException):
            return False
        self._number += 1
        return True


class LinesInLog:
    """Writes each complete line as an entry.

    Args:
        write: stores a line.
    """

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write, self._rest = write, b""

    def __call__(self, content: bytes) -> bool:
        """Returns True, once the complete lines are stored."""
        *lines, self._rest = (self._rest + content).split(b"\n")
        for line in lines:
            self._write(line.decode(errors="replace"))
        return True


def both(first: Output, second: Output) -> Output:
    """Returns an output to two places; the second one must take everything."""
    return lambda content: first(content) and second(content)
