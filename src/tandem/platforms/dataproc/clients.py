"""Creates Google's clients with the addresses and credentials of the settings."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, cast

from tandem.errors import EnvironmentNotReadyError
from tandem.platforms.dataproc.calls import call
from tandem.settings.google import GoogleSettings

if TYPE_CHECKING:
    import grpc
    from google.auth.credentials import Credentials
    from google.cloud.dataproc_v1 import BatchControllerClient, ClusterControllerClient, JobControllerClient
    from google.cloud.logging_v2.services.logging_service_v2 import LoggingServiceV2Client
    from google.cloud.secretmanager_v1 import SecretManagerServiceClient
    from google.cloud.storage import Client as StorageClient

_LOGIN = "`gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS"


class Clients:
    """Google's clients, each created at its first use.

    Only this module imports the libraries, which takes a second.

    Args:
        google: Google's settings.
    """

    def __init__(self, google: GoogleSettings) -> None:
        self._google = google

    @cached_property
    def jobs(self) -> JobControllerClient:
        """Submits, reads and cancels jobs."""
        from google.cloud.dataproc_v1 import JobControllerClient
        from google.cloud.dataproc_v1.services.job_controller.transports import JobControllerGrpcTransport

        return JobControllerClient(transport=JobControllerGrpcTransport(host=self._address, channel=self._channel))

    @cached_property
    def clusters(self) -> ClusterControllerClient:
        """Creates, reads and deletes clusters."""
        from google.cloud.dataproc_v1 import ClusterControllerClient
        from google.cloud.dataproc_v1.services.cluster_controller.transports import ClusterControllerGrpcTransport

        transport = ClusterControllerGrpcTransport(host=self._address, channel=self._channel)
        return ClusterControllerClient(transport=transport)

    @cached_property
    def batches(self) -> BatchControllerClient:
        """Creates, reads and cancels serverless batches."""
        from google.cloud.dataproc_v1 import BatchControllerClient
        from google.cloud.dataproc_v1.services.batch_controller.transports import BatchControllerGrpcTransport

        return BatchControllerClient(transport=BatchControllerGrpcTransport(host=self._address, channel=self._channel))

    @cached_property
    def storage(self) -> StorageClient:
        """Reads and writes objects."""
        from google.cloud.storage import Client

        options = {"api_endpoint": self._google.storage_url}
        return Client(project=self._google.project, credentials=self._credentials, client_options=options)

    @cached_property
    def secrets(self) -> SecretManagerServiceClient:
        """Checks that secrets exist; it never reads one."""
        from google.cloud.secretmanager_v1 import SecretManagerServiceClient
        from google.cloud.secretmanager_v1.services.secret_manager_service.transports import (
            SecretManagerServiceRestTransport,
        )

        scheme, _, host = self._google.secret_manager_url.partition("://")
        transport = SecretManagerServiceRestTransport(host=host, credentials=self._credentials, url_scheme=scheme)
        return SecretManagerServiceClient(transport=transport)

    @cached_property
    def logs(self) -> LoggingServiceV2Client:
        """Lists log entries."""
        from google.cloud.logging_v2.services.logging_service_v2 import LoggingServiceV2Client
        from google.cloud.logging_v2.services.logging_service_v2.transports import LoggingServiceV2GrpcTransport

        host = self._google.logging_address
        transport = LoggingServiceV2GrpcTransport(host=host, channel=self._channel_to(host))
        return LoggingServiceV2Client(transport=transport)

    def login(self) -> str:
        """Returns the account of the login.

        Raises:
            EnvironmentNotReadyError: there is no login, or Google does not accept it.
        """
        from google.auth.transport.requests import Request

        if self._google.credentials == "none":
            return "none: a stand-in accepts any login"
        credentials = self._credentials
        call("logging in", lambda: credentials.refresh(Request()))  # type: ignore[no-untyped-call]
        account = getattr(credentials, "service_account_email", None) or getattr(credentials, "account", None)
        return str(account or "a user's")

    def close(self) -> None:
        """Closes the connections; pending calls fail."""
        self._channel.close()
        if "logs" in self.__dict__:
            self.logs.transport.close()  # type: ignore[no-untyped-call]

    @cached_property
    def _credentials(self) -> Credentials:
        from google import auth
        from google.auth.credentials import AnonymousCredentials
        from google.auth.exceptions import DefaultCredentialsError

        if self._google.credentials == "none":
            return cast("Credentials", AnonymousCredentials())  # type: ignore[no-untyped-call]
        try:
            credentials, _ = auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
        except DefaultCredentialsError:
            raise EnvironmentNotReadyError("no login for Google Cloud was found", hint=_LOGIN) from None
        return credentials

    @property
    def _address(self) -> str:
        return self._google.dataproc_address or f"{self._google.region}-dataproc.googleapis.com:443"

    @cached_property
    def _channel(self) -> grpc.Channel:
        return self._channel_to(self._address)

    def _channel_to(self, address: str) -> grpc.Channel:
        import grpc
        from google.api_core import grpc_helpers

        if self._google.credentials == "none":
            return grpc.insecure_channel(address)
        return grpc_helpers.create_channel(address, credentials=self._credentials)
