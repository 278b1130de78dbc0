"""Asks a schema registry through Confluent's API."""

from __future__ import annotations

import base64
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from http.client import HTTPException
from typing import Any
from urllib.parse import quote

from tandem.engine.declare.wire_format import LARGEST_ID
from tandem.errors import EnvironmentNotReadyError, TandemError, UsageError
from tandem.schema_registry.subjects import printable
from tandem.settings.connections import resolve
from tandem.settings.model import RegistrySettings

_TIMEOUT_S = 20
_JSON = "application/vnd.schemaregistry.v1+json"
# The API's codes of a missing subject, version and level.
_NOT_FOUND = 404
# The API's code of a schema that it cannot read, and how much of the reason to read.
_INVALID, _LONGEST_REASON = 422, 10_000


class NotFoundError(TandemError):
    """The registry has no such subject, version or level."""


@dataclass(frozen=True)
class Reference:
    """What a schema refers to.

    Attributes:
        name: what the schema calls it.
        subject: the subject of the other schema.
        version: its version.
    """

    name: str
    subject: str
    version: int


@dataclass(frozen=True)
class RegisteredSchema:
    """One version of a subject.

    Attributes:
        version: its number.
        schema_id: its id.
        kind: AVRO, JSON or PROTOBUF.
        text: the schema.
        references: the schemas of other subjects that it refers to.
    """

    version: int
    schema_id: int
    kind: str
    text: str
    references: tuple[Reference, ...] = ()


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Refuses redirects, which would send the password to another server."""

    def redirect_request(self, *_: Any) -> None:
        """Returns no request."""


class Registry:
    """A schema registry.

    Args:
        settings: its address and the login.

    Raises:
        UsageError: no address is set.
        EnvironmentNotReadyError: the password's reference leads to no secret.
    """

    def __init__(self, settings: RegistrySettings) -> None:
        if settings.url is None:
            raise UsageError(
                "no schema registry is set", hint="set registry.url, for example TANDEM_REGISTRY__URL=https://HOST"
            )
        self._url = settings.url.rstrip("/")
        self._headers = {"Accept": f"{_JSON}, application/json", "Content-Type": _JSON}
        if settings.username and settings.password:
            login = base64.b64encode(f"{settings.username}:{resolve(settings.password)}".encode()).decode()
            self._headers["Authorization"] = f"Basic {login}"
        try:
            context = ssl.create_default_context(cafile=str(settings.ca) if settings.ca else None)
        except OSError as error:
            raise UsageError(f"registry.ca cannot be read: {error}", hint="set the path of a certificate") from None
        self._opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), _NoRedirects)

    def versions(self, subject: str) -> list[int]:
        """Returns the numbers of a subject's versions, oldest first."""
        found = self._get(f"/subjects/{_part(subject)}/versions", missing=f"has no subject {subject}")
        if not isinstance(found, list) or not all(_is_number(each, least=1) for each in found):
            raise self._unexpected()
        return sorted(found)

    def schema(self, subject: str, version: int) -> RegisteredSchema:
        """Returns one version of a subject."""
        missing = f"has no version {version} of {subject}"
        found = self._get(f"/subjects/{_part(subject)}/versions/{version}", missing=missing)
        match found:
            case {"id": schema_id, "schema": str(text)} if _is_number(schema_id, least=0):
                # Avro is the only kind that the API leaves out.
                kind = str(found.get("schemaType") or "AVRO")
                return RegisteredSchema(version, schema_id, kind, text, self._references(found.get("references")))
        raise self._unexpected()

    def level(self, subject: str) -> str:
        """Returns a subject's compatibility level, or the global one.

        It is BACKWARD, FULL_TRANSITIVE, NONE or another.
        """
        missing = f"has no compatibility level for {subject}"
        found = self._get(f"/config/{_part(subject)}?defaultToGlobal=true", missing=missing)
        match found:
            case {"compatibilityLevel": str(level)}:
                return level.upper()
        raise self._unexpected()

    def incompatibilities(
        self, subject: str, kind: str, text: str, references: tuple[Reference, ...] = ()
    ) -> list[str] | None:
        """Returns why a schema is not compatible with a subject at its level.

        None if it is compatible. The list may be empty, because some registries give no reasons.

        Raises:
            TandemError: the registry cannot read the schema, or has no such subject.
        """
        body: dict[str, Any] = {"schema": text} | ({} if kind == "AVRO" else {"schemaType": kind})
        if references:
            body["references"] = [asdict(each) for each in references]
        path = f"/compatibility/subjects/{_part(subject)}/versions?verbose=true"
        found = self._get(path, missing=f"has no subject {subject}", body=body)
        match found:
            case {"is_compatible": True}:
                return None
            case {"is_compatible": False}:
                # Apicurio gives one reason.
                return [str(each) for each in found.get("messages") or (found.get("reason"),) if each]
        raise self._unexpected()

    def _references(self, found: Any) -> tuple[Reference, ...]:
        references = []
        for each in found or ():
            match each:
                case {"name": str(name), "subject": str(subject), "version": int(version)}:
                    references.append(Reference(name, subject, version))
                case _:
                    raise self._unexpected()
        return tuple(references)

    def _get(self, path: str, *, missing: str, body: Mapping[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, self._headers)  # noqa: S310  # of our own settings
        try:
            with self._opener.open(request, timeout=_TIMEOUT_S) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                raise self._refused(error, missing) from None
        except (json.JSONDecodeError, RecursionError):
            raise self._unexpected() from None
        except (OSError, HTTPException, ValueError) as error:
            reason = getattr(error, "reason", None) or type(error).__name__
            raise EnvironmentNotReadyError(
                f"the schema registry at {self._url} does not answer: {reason}",
                hint="check registry.url, and that this machine may connect",
            ) from None

    def _refused(self, error: urllib.error.HTTPError, missing: str) -> TandemError:
        status = error.code
        if status == _NOT_FOUND:
            return NotFoundError(
                f"the schema registry at {self._url} {missing}",
                hint="check the name, and that registry.url ends where `/subjects` begins",
            )
        if status == _INVALID:
            reason = _message(error) or f"HTTP status {status}"
            return TandemError(
                f"the schema registry at {self._url} refused the schema: {reason}", hint="check the schema's file"
            )
        if status in (401, 403):
            return EnvironmentNotReadyError(
                f"the schema registry at {self._url} refused the login (HTTP status {status})",
                hint="check registry.username, registry.password and the rights to read subjects",
            )
        return EnvironmentNotReadyError(
            f"the schema registry at {self._url} answered with HTTP status {status}",
            hint="check registry.url, and the registry's log",
        )

    def _unexpected(self) -> TandemError:
        return EnvironmentNotReadyError(
            f"the answer of {self._url} is not one of a schema registry",
            hint="check that registry.url ends where `/subjects` begins",
        )


def _part(subject: str) -> str:
    return quote(subject, safe="")


def _is_number(value: Any, *, least: int) -> bool:
    """Returns whether a value can be the number of a version or an id."""
    return type(value) is int and least <= value <= LARGEST_ID


def _message(error: urllib.error.HTTPError) -> str:
    """Returns the API's reason of an error, for a terminal; empty if there is none."""
    try:
        match json.loads(error.read(_LONGEST_REASON)):
            case {"message": str(text)}:
                return printable(text)
    except (OSError, HTTPException, ValueError, RecursionError):
        pass
    return ""
