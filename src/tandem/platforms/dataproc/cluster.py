"""The cluster: used if it exists, else created; deleted only if Tandem created it."""

from __future__ import annotations

import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

import structlog

from tandem.errors import EnvironmentNotReadyError, TandemError
from tandem.platforms.dataproc.calls import call
from tandem.platforms.dataproc.machine_type import machine_type_of
from tandem.platforms.dataproc.refusals import Refusal, recognised
from tandem.platforms.dataproc.requests import (
    ENVIRONMENT_LABEL,
    SCOPE,
    cluster_request,
    environment_of,
    place_of,
)
from tandem.progress_display import wait_shown
from tandem.settings.model import Settings
from tandem.waiting import NotYetError

if TYPE_CHECKING:
    from google.cloud.dataproc_v1 import Cluster as GoogleCluster
    from google.cloud.dataproc_v1 import ClusterControllerClient

_DEADLINE_S = 900.0
# In these states a cluster accepts jobs.
_ACCEPTING = ("RUNNING", "UPDATING", "ERROR_DUE_TO_UPDATE")
_log = structlog.get_logger(__name__)


class Cluster:
    """The cluster of a profile.

    Args:
        settings: the profile's settings.
        client: Google's client.
    """

    def __init__(self, settings: Settings, client: ClusterControllerClient) -> None:
        self._settings = settings
        self._google = settings.gcp
        self._client = client

    def check(self) -> GoogleCluster | None:
        """Returns the cluster, or None if there is none or it is being deleted.

        Raises:
            EnvironmentNotReadyError: the cluster failed, is stopped, may not read secrets, or has too small machines.
        """
        existing = self.find()
        if existing is None or _is_going(existing):
            return None
        _check_scopes(existing)
        _check_machines(existing, self._google.machine)
        self._check_state(existing)
        return existing

    def ensure(self) -> None:
        """Returns when the cluster runs; creates it if there is none.

        It first waits for the end of a deletion.

        Raises:
            EnvironmentNotReadyError: the cluster failed, or did not start in time.
        """
        from google.api_core.exceptions import AlreadyExists

        name = self._google.cluster
        existing = self.find()
        if existing and _is_going(existing):
            existing = self._after_deletion(existing)
        if existing is None:
            costs = "; this takes some minutes and costs from now on" if self._settings.billed else ""
            _log.info(f"creating the cluster{costs}", cluster=name)
            request = cluster_request(self._settings)
            # One id for this attempt and its retries: a deleted cluster may be created again.
            request.request_id = str(uuid.uuid4())

            def create() -> None:
                try:
                    self._client.create_cluster(request=request, retry=None)
                except AlreadyExists:  # by an attempt whose answer was lost
                    return

            call(f"creating the cluster {name}", create)
        wait_shown(f"the cluster {name}", self._probe, deadline_s=_DEADLINE_S, hint=self._look, interval_s=self._pace_s)

    def find(self) -> GoogleCluster | None:
        """Returns the cluster, or None if there is none."""
        from google.api_core.exceptions import NotFound

        def get() -> GoogleCluster | None:
            try:
                return self._client.get_cluster(
                    project_id=self._google.project,
                    region=self._google.region,
                    cluster_name=self._google.cluster,
                    retry=None,
                )
            except NotFound:
                return None

        return call(f"looking for the cluster {self._google.cluster}", get)

    def delete(self) -> Literal["deleted", "kept", "absent"]:
        """Deletes the cluster if a deployment of this environment created it.

        Returns the result: another one is kept.
        """
        from google.api_core.exceptions import NotFound

        existing = self.find()
        if existing is None:
            return "absent"
        if not self._owns(existing):
            _log.info("the cluster is kept, because this environment did not create it", cluster=existing.cluster_name)
            return "kept"
        # Only this cluster, not a newer one of the same name.
        request = {
            "project_id": self._google.project,
            "region": self._google.region,
            "cluster_name": self._google.cluster,
            "cluster_uuid": existing.cluster_uuid,
            "request_id": str(uuid.uuid4()),
        }

        def delete() -> None:
            with suppress(NotFound):  # by an attempt whose answer was lost
                self._client.delete_cluster(request=request, retry=None)

        if not _is_going(existing):
            try:
                call(f"deleting the cluster {self._google.cluster}", delete)
            except TandemError:
                # Google refuses if it has begun to delete an idle cluster meanwhile.
                if (now := self.find()) and not _is_going(now):
                    raise
        self._after_deletion(existing)
        return "deleted"

    def _after_deletion(self, cluster: GoogleCluster) -> GoogleCluster | None:
        """Returns the cluster of the same name once this one is deleted.

        Another deployment may have created it meanwhile.
        """

        def gone() -> GoogleCluster | None:
            found = self.find()
            if found and found.cluster_uuid == cluster.cluster_uuid:
                raise NotYetError("it is still being deleted")
            return found

        return wait_shown(
            "the cluster to be gone", gone, deadline_s=_DEADLINE_S, hint=self._look, interval_s=self._pace_s
        )

    def _owns(self, cluster: GoogleCluster) -> bool:
        """Returns whether a deployment of this environment created a cluster."""
        return bool(cluster.labels.get(ENVIRONMENT_LABEL) == environment_of(self._settings))

    def _probe(self) -> None:
        existing = self.find()
        if existing is None:
            raise NotYetError("it does not exist yet")
        self._check_state(existing)
        if existing.status.state.name not in _ACCEPTING:
            raise NotYetError(f"it is {existing.status.state.name}")

    def _check_state(self, cluster: GoogleCluster) -> None:
        """Raises if a cluster will not run by itself."""
        name, state, detail = cluster.cluster_name, cluster.status.state.name, cluster.status.detail
        if state == "STOPPED":
            raise EnvironmentNotReadyError(f"the cluster {name} is STOPPED", hint=self._gcloud("start"))
        if state == "ERROR":
            refusal = recognised(detail) or Refusal(detail or "no reason given", self._look)
            # As long as it exists, every deployment finds it again.
            again = "`tandem destroy`, which deletes this cluster, and `tandem deploy`"
            way_out = again if self._owns(cluster) else f"{self._gcloud('delete')}, or name another in gcp.cluster"
            raise EnvironmentNotReadyError(
                f"the cluster {name} is {state}: {refusal.reason}", hint=f"{refusal.hint}; then {way_out}"
            )

    @property
    def _look(self) -> str:
        return f"look at it: {self._gcloud('describe')}"

    def _gcloud(self, command: str) -> str:
        return f"`gcloud dataproc clusters {command} {self._google.cluster} {place_of(self._google)}`"

    @property
    def _pace_s(self) -> float:
        # Google limits the calls a minute; a stand-in does not, and is ready at once.
        return 0.2 if self._google.credentials == "none" else 5.0


def _is_going(cluster: GoogleCluster) -> bool:
    """Returns whether a cluster is being deleted.

    A command may have been interrupted meanwhile, or Google deletes an idle cluster.
    """
    return bool(cluster.status.state.name == "DELETING")


def _check_scopes(cluster: GoogleCluster) -> None:
    """Raises if the machines of a cluster have no access to secrets.

    In that case, the roles of their account do not matter.

    Raises:
        EnvironmentNotReadyError: the cluster was created without the scope.
    """
    if SCOPE not in cluster.config.gce_cluster_config.service_account_scopes:
        raise EnvironmentNotReadyError(
            f"the machines of the cluster {cluster.cluster_name} have no access to Secret Manager: "
            f"it was created without the scope cloud-platform, which cannot be added later",
            hint="create a cluster with --scopes=cloud-platform, or name another in gcp.cluster",
        )


def _check_machines(cluster: GoogleCluster, named: str) -> None:
    """Raises if the workers of a cluster are smaller than ``gcp.machine``.

    Raises:
        EnvironmentNotReadyError: YARN would not give the executors their memory there.
    """
    workers = cluster.config.worker_config
    group = workers if workers.num_instances else cluster.config.master_config
    name = group.machine_type_uri.rpartition("/")[2]
    has, wanted = machine_type_of(name), machine_type_of(named)
    if has and wanted and has.memory_mib < wanted.memory_mib:
        raise EnvironmentNotReadyError(
            f"the workers of the cluster {cluster.cluster_name} are {name}, but executors are sized for {named}",
            hint=f"set TANDEM_GCP__MACHINE={name}",
        )
