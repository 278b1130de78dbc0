"""Creates Google's clients with the addresses and credentials of the settings."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, cast

from tandem.errors import EnvironmentNotReadyError
from tandem.platforms.dataproc.calls import call
from tandem.platforms.dataproc.google_project import GoogleProject
from tandem.platforms.dataproc.requests import SCOPE
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

    @cached_property
    def project(self) -> GoogleProject:
        """Describes the project."""
        from google.auth.transport.requests import AuthorizedSession

        return GoogleProject(self._google, AuthorizedSession(self._credentials))  # type: ignore[no-untyped-call]

    def login(self) -> str:
        """Returns the account of the login.

        Raises:
            EnvironmentNotReadyError: there is no login, or Google does not accept it.
        """
        from google.auth.transport.requests import Request

        if self._google.credentials == "none":
            return "none: a stand-in accepts any login"
        login = self._credentials
        call("logging in", lambda: login.refresh(Request()))  # type: ignore[no-untyped-call]
        return _account(login)

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
            login, _ = auth.default(scopes=[SCOPE])
        except DefaultCredentialsError as error:
            raise _no_login(error) from None
        return self._with_quota_project(login)

    def _with_quota_project(self, login: Credentials) -> Credentials:
        """Returns a login that counts against a project's quota.

        A person's login has no project of its own.
        """
        from google.auth.external_account_authorized_user import Credentials as WorkforceCredentials
        from google.oauth2.credentials import Credentials as PersonalCredentials

        if isinstance(login, PersonalCredentials | WorkforceCredentials) and not login.quota_project_id:
            return cast("Credentials", login.with_quota_project(self._google.project))
        return login

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


def _account(login: Credentials) -> str:
    """Returns a login's name; Google does not report the name of a federated identity."""
    from google.auth.external_account import Credentials as FederatedCredentials
    from google.auth.impersonated_credentials import Credentials as ImpersonatedCredentials

    account = getattr(login, "service_account_email", None) or getattr(login, "account", None)
    if isinstance(login, FederatedCredentials):
        return f"a federated identity{f' as {account}' if account else ''}"
    return f"{account}, impersonated" if isinstance(login, ImpersonatedCredentials) else str(account or "a user's")


def _no_login(error: Exception) -> EnvironmentNotReadyError:
    # A file that is named but cannot be used has other messages than no login at all.
    none = "default credentials were not found" in str(error)
    reason = "no login for Google Cloud was found" if none else f"the login for Google Cloud cannot be used: {error}"
    return EnvironmentNotReadyError(reason, hint=_LOGIN)
