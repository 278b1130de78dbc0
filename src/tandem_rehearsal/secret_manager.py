"""A stand-in for Secret Manager and the metadata server, over HTTP.

It also has the project's APIs.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
from collections.abc import Callable, Collection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tandem_rehearsal.project_api import ProjectApi

_TOKEN_PATH = "/computeMetadata/v1/instance/service-accounts/default/token"  # noqa: S105  # its address
_VERSION = re.compile(r"/v1/(projects/([^/]+)/secrets/([^/]+)/versions/latest)(:access)?(\?.*)?")


def server(
    port: int, project: ProjectApi, folder: Path, readers: Collection[str], account_at: Callable[[int], str | None]
) -> ThreadingHTTPServer:
    """Returns a server that listens already; ``serve_forever`` serves.

    Args:
        port: on 127.0.0.1.
        project: the only project.
        folder: has a file for each secret; changes apply from the next request on. Beside a disabled secret there is
            a file ``NAME.disabled``.
        readers: the accounts that may read secrets.
        account_at: returns the account of the machine that has a connection from a port; None for other machines.
    """
    tokens: dict[str, str] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == _TOKEN_PATH:
                self._identify()
            elif match := _VERSION.fullmatch(self.path):
                self._tell(match[1], match[2], match[3], access=bool(match[4]))
            else:
                self._describe(None)

        def do_POST(self) -> None:
            self._describe(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _describe(self, body: dict[str, Any] | None) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            missing = _error(404, "NOT_FOUND", f"The requested URL {self.path} was not found.")
            self._answer(*(project.answer(self.path, body, headers) or (404, missing)))

        def _identify(self) -> None:
            # A page in a browser cannot send this header.
            if self.headers.get("Metadata-Flavor") != "Google":
                self._answer(403, {})
                return
            account = account_at(self.client_address[1])
            if account is None:  # only Google's machines have such a server
                self._answer(404, {})
                return
            token = tokens.setdefault(account, secrets.token_urlsafe(32))
            self._answer(200, {"access_token": token, "expires_in": 3599, "token_type": "Bearer"})

        def _tell(self, version: str, of_project: str, name: str, *, access: bool) -> None:
            file = folder / name
            disabled = (folder / f"{name}.disabled").exists()
            if of_project != project.project:
                self._answer(403, _error(403, "PERMISSION_DENIED", f"Permission denied on {version}"))
            elif not file.is_file():
                self._answer(404, _error(404, "NOT_FOUND", f"Secret [{version}] not found or has no versions."))
            elif not access:
                self._answer(200, {"name": version, "state": "DISABLED" if disabled else "ENABLED"})
            elif (account := self._account()) is None:
                self._answer(401, _error(401, "UNAUTHENTICATED", "Request had invalid authentication credentials."))
            elif account not in readers:
                said = f"Permission 'secretmanager.versions.access' denied for resource '{version}'"
                self._answer(403, _error(403, "PERMISSION_DENIED", f"{said} (or it may not exist)."))
            elif disabled:
                text = f"Secret Version [{version}] is in DISABLED state."
                self._answer(400, _error(400, "FAILED_PRECONDITION", text))
            else:
                self._answer(200, {"name": version, "payload": {"data": base64.b64encode(file.read_bytes()).decode()}})

        def _account(self) -> str | None:
            shown = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
            return next((account for account, token in list(tokens.items()) if token == shown), None)

        def _answer(self, status: int, document: dict[str, Any]) -> None:
            content = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:  # requests are not logged
            pass

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


def _error(code: int, status: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "status": status}}
