"""The bucket, which holds the uploads, the checkpoint and the drivers' output."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from string import digits
from typing import TYPE_CHECKING, Any

from tandem.platforms.dataproc.calls import call
from tandem.platforms.dataproc.release import Upload, checkpoint_of, folder_of, object_of
from tandem.settings.model import Settings

if TYPE_CHECKING:
    from google.cloud.storage import Bucket as GoogleBucket
    from google.cloud.storage import Client


# A cluster's own files have the same prefix. Only the pieces of drivers' output end in a digit.
OUTPUT_PREFIX = "google-cloud-dataproc-metainfo/"
# The endings of the names of a checkpoint's objects.
_CHECKPOINT_ENDS = (*digits, ".changelog", ".crc", ".delta", ".json", ".snapshot", ".sst", ".zip", "metadata", "schema")
# Conditions that no live object meets: none of them has a newer version or a custom time.
_NOT_LIVE = {
    *("numNewerVersions", "daysSinceNoncurrentTime", "noncurrentTimeBefore"),
    *("daysSinceCustomTime", "customTimeBefore"),
}


@dataclass(frozen=True)
class Policy:
    """The bucket's rules for deleted objects, and its lifecycle rules.

    Attributes:
        soft_delete_s: the seconds for which Google keeps deleted objects and charges for them.
        versioned: whether the bucket keeps all replaced and deleted objects.
        removes_output: whether a rule deletes drivers' output at some age.
        removes_checkpoint: whether a rule deletes objects of the checkpoint.
    """

    soft_delete_s: int
    versioned: bool
    removes_output: bool
    removes_checkpoint: bool


def _covers_output(condition: Mapping[str, Any]) -> bool:
    """Returns whether a condition covers all old pieces of drivers' output."""
    prefixes, suffixes = _names(condition)
    pieces = OUTPUT_PREFIX.startswith(prefixes) and all(digit.endswith(suffixes) for digit in digits)
    return _is_for_live(condition) and "age" in condition and pieces


def _hits(condition: Mapping[str, Any], folder: str) -> bool:
    """Returns whether a condition can match objects of a checkpoint's folder."""
    prefixes, suffixes = _names(condition)
    below = any(folder.startswith(prefix) or prefix.startswith(folder) for prefix in prefixes)
    pairs = product(_CHECKPOINT_ENDS, suffixes)
    return _is_for_live(condition) and below and any(end.endswith(each) or each.endswith(end) for end, each in pairs)


def _names(condition: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Returns the prefixes and suffixes of a condition.

    A single empty one for all names.
    """
    return tuple(condition.get("matchesPrefix") or [""]), tuple(condition.get("matchesSuffix") or [""])


def _is_for_live(condition: Mapping[str, Any]) -> bool:
    """Returns whether live objects can meet a lifecycle rule's condition."""
    return condition.get("isLive") is not False and not _NOT_LIVE & condition.keys()


class Bucket:
    """The bucket of a profile.

    Args:
        settings: the profile's settings.
        client: Google's client.
    """

    def __init__(self, settings: Settings, client: Client) -> None:
        self._client = client
        self._name = settings.gcp.bucket or ""
        self._settings = settings

    def check(self) -> None:
        """Raises if the bucket does not exist or may not be read.

        Raises:
            EnvironmentNotReadyError: the message names the reason.
        """
        place = f"--location={self._settings.gcp.region} --project={self._settings.gcp.project}"
        hint = f"`gcloud storage buckets create gs://{self._name} {place}`, or name another in gcp.bucket"
        what = f"looking at the bucket {self._name}"
        # Lists objects, because reading the bucket itself needs another role.
        call(what, lambda: list(self._client.list_blobs(self._name, max_results=1, retry=None)), hint=hint)

    def policy(self) -> Policy | None:
        """Returns the bucket's policy; None if this login may not read it."""
        from google.api_core.exceptions import Forbidden

        def get() -> Policy | None:
            try:
                found = self._client.get_bucket(self._name, retry=None)
            except Forbidden:
                return None
            rules = [rule for rule in found.lifecycle_rules if rule["action"]["type"] == "Delete"]
            checkpoint = checkpoint_of(self._settings).removeprefix(f"gs://{self._name}/") + "/"
            return Policy(
                soft_delete_s=int(found.soft_delete_policy.retention_duration_seconds or 0),
                versioned=bool(found.versioning_enabled),
                removes_output=any(_covers_output(rule["condition"]) for rule in rules),
                removes_checkpoint=any(_hits(rule["condition"], checkpoint) for rule in rules),
            )

        return call(f"looking at the settings of the bucket {self._name}", get)

    def has(self, upload: Upload) -> bool:
        """Returns whether a file was uploaded."""
        return self.exists(object_of(self._settings, upload))

    def exists(self, name: str) -> bool:
        """Returns whether there is an object of a name."""
        return call(f"looking for {name}", lambda: bool(self._bucket.blob(name).exists(retry=None)))

    def upload(self, upload: Upload, file: Callable[[], Path]) -> bool:
        """Uploads a file unless its object exists; returns whether it was uploaded.

        Args:
            upload: the file to upload.
            file: returns its path on this machine, if the upload has no content.
        """
        from google.api_core.exceptions import PreconditionFailed

        if self.has(upload):
            return False
        blob = self._bucket.blob(object_of(self._settings, upload))

        def send() -> bool:
            content = file().read_bytes() if upload.content is None else upload.content
            try:
                blob.upload_from_string(
                    content, content_type="application/octet-stream", if_generation_match=0, checksum="md5", retry=None
                )
            except PreconditionFailed:  # uploaded by another process, or by an attempt whose answer was lost
                return False
            return True

        return call(f"uploading {upload.name}", send)

    def put(self, name: str) -> None:
        """Creates an empty object."""
        call(f"writing {name}", lambda: self._bucket.blob(name).upload_from_string(b"", retry=None))

    def remove(self, name: str) -> None:
        """Removes an object, if it exists."""
        from google.api_core.exceptions import NotFound

        def delete() -> None:
            try:
                self._bucket.delete_blob(name, retry=None)
            except NotFound:
                return

        call(f"removing {name}", delete)

    def names(self, prefix: str) -> list[str]:
        """Returns the names of all objects with a prefix."""
        blobs = call(f"listing {prefix}", lambda: list(self._client.list_blobs(self._name, prefix=prefix, retry=None)))
        return [str(blob.name) for blob in blobs]

    def read(self, name: str) -> bytes:
        """Returns an object's content."""
        return call(f"reading {name}", lambda: bytes(self._bucket.blob(name).download_as_bytes(retry=None)))

    def remove_all(self) -> int:
        """Removes the pipeline's checkpoint and uploads; returns the number of objects."""
        names = self.names(folder_of(self._settings))
        for name in names:
            self.remove(name)
        return len(names)

    def output(self, location: str, since: int = 0) -> Iterator[bytes]:
        """Yields a driver's output, in pieces.

        Args:
            location: the URI that Dataproc reports, the prefix of the pieces' names.
            since: the number of pieces to skip.
        """
        bucket, _, prefix = location.removeprefix("gs://").partition("/")
        blobs = call(
            "listing the driver's output", lambda: list(self._client.list_blobs(bucket, prefix=prefix, retry=None))
        )
        for blob in sorted(blobs, key=lambda each: str(each.name))[since:]:
            yield call("reading the driver's output", partial(blob.download_as_bytes, retry=None))

    @property
    def _bucket(self) -> GoogleBucket:
        return self._client.bucket(self._name)
