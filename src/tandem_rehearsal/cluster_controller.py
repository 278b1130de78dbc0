"""A stand-in for Dataproc's clusters, which exist by name only."""

from __future__ import annotations

import re
import threading
import uuid
from typing import Any

import grpc
from google.cloud import dataproc_v1 as dataproc
from google.longrunning.operations_pb2 import Operation
from google.protobuf.any_pb2 import Any as AnyMessage

from tandem.settings.google import HYPERDISK_ONLY
from tandem_rehearsal.grpc_service import handler, refuse
from tandem_rehearsal.request_rules import check_cluster_name, check_labels, check_request_id

SERVICE = "google.cloud.dataproc.v1.ClusterController"
_MINIMUM_IDLE_S, _MAXIMUM_IDLE_S = 5 * 60, 14 * 24 * 3600
_ZERO_WORKERS = "dataproc:dataproc.allow.zero.workers"
# What machines may ask for: always, and if a request names no scopes.
_BASE_SCOPES = ("cloud.useraccounts.readonly", "devstorage.read_write", "logging.write")
_DEFAULT_SCOPES = ("bigquery", "bigtable.admin.table", "bigtable.data", "devstorage.full_control")
# Google's usual limit for a region of a new project.
_CPUS = 24


class ClusterController:
    """Creates, reads and deletes clusters.

    A new one runs at once: its machine is this one.

    Args:
        project: the only project.
        region: the only region.
        cpus: the region's limit of processors.
    """

    def __init__(self, project: str, region: str, cpus: int = _CPUS) -> None:
        self._place, self._cpus = (project, region), cpus
        self._lock = threading.Lock()
        self._clusters: dict[str, dataproc.Cluster] = {}

    def service(self) -> grpc.GenericRpcHandler:
        """Returns the handler for a gRPC server."""
        return handler(
            SERVICE,
            CreateCluster=(self._create, dataproc.CreateClusterRequest, Operation),
            GetCluster=(self._get, dataproc.GetClusterRequest, dataproc.Cluster),
            DeleteCluster=(self._delete, dataproc.DeleteClusterRequest, Operation),
        )

    def find(self, name: str) -> dataproc.Cluster | None:
        """Returns a cluster; None if there is none of this name."""
        with self._lock:
            return self._clusters.get(name)

    def _create(self, request: dataproc.CreateClusterRequest, context: grpc.ServicerContext) -> Operation:
        self._check(request, context)
        name = request.cluster.cluster_name
        _check_cluster(request.cluster, context)
        check_request_id(request.request_id, context)
        with self._lock:
            if name in self._clusters:
                refuse(context, grpc.StatusCode.ALREADY_EXISTS, f"Already exists: Cluster {name}")
            self._check_quota(request.cluster, context)
            cluster = dataproc.Cluster(request.cluster)
            machines = cluster.config.gce_cluster_config
            scopes = {*_urls(_BASE_SCOPES), *(machines.service_account_scopes or _urls(_DEFAULT_SCOPES))}
            machines.service_account_scopes = sorted(scopes)
            cluster.cluster_uuid = str(uuid.uuid4())
            # Google creates a bucket where none is named.
            cluster.config.config_bucket = cluster.config.config_bucket or f"dataproc-staging-{self._place[1]}"
            cluster.status = dataproc.ClusterStatus(state=dataproc.ClusterStatus.State.RUNNING)
            self._clusters[name] = cluster
        return _done("create", dataproc.Cluster.pb(cluster))

    def _get(self, request: dataproc.GetClusterRequest, context: grpc.ServicerContext) -> dataproc.Cluster:
        self._check(request, context)
        with self._lock:
            cluster = self._clusters.get(request.cluster_name)
        if cluster is None:
            refuse(context, grpc.StatusCode.NOT_FOUND, f"Not found: Cluster {request.cluster_name}")
        return cluster

    def _delete(self, request: dataproc.DeleteClusterRequest, context: grpc.ServicerContext) -> Operation:
        self._check(request, context)
        with self._lock:
            if self._clusters.pop(request.cluster_name, None) is None:
                refuse(context, grpc.StatusCode.NOT_FOUND, f"Not found: Cluster {request.cluster_name}")
        return Operation(name=f"operations/delete-{uuid.uuid4()}", done=True)

    def _check_quota(self, cluster: dataproc.Cluster, context: grpc.ServicerContext) -> None:
        free = self._cpus - sum(map(_cpus_of, self._clusters.values()))
        if (wanted := _cpus_of(cluster)) > free:
            text = (
                f"Multiple validation errors:\n - Insufficient 'CPUS' quota. Requested {wanted:.1f}, available "
                f"{free:.1f}.\n - This request exceeds CPU quota. Some things to try: request fewer workers "
                "(a minimum of 2 is required), use smaller master and/or worker machine types."
            )
            refuse(context, grpc.StatusCode.INVALID_ARGUMENT, text)

    def _check(self, request: Any, context: grpc.ServicerContext) -> None:
        check_place(request.project_id, request.region, self._place, context)


def check_place(project: str, region: str, place: tuple[str, str], context: grpc.ServicerContext) -> None:
    """Aborts a request for another project or region, in Google's words."""
    if project != place[0]:
        refuse(context, grpc.StatusCode.PERMISSION_DENIED, f"Permission denied on resource project {project}.")
    if region != place[1]:
        refuse(context, grpc.StatusCode.INVALID_ARGUMENT, f"Region '{region}' is invalid or not supported.")


def _done(what: str, response: object) -> Operation:
    packed = AnyMessage()
    packed.Pack(response)
    return Operation(name=f"operations/{what}-{uuid.uuid4()}", done=True, response=packed)


def _check_cluster(cluster: dataproc.Cluster, context: grpc.ServicerContext) -> None:
    """Aborts a request with values outside Google's bounds."""
    check_cluster_name(cluster.cluster_name, context)
    check_labels(cluster.labels, context)
    config = cluster.config
    idle = config.lifecycle_config.idle_delete_ttl
    if idle and not _MINIMUM_IDLE_S <= idle.total_seconds() <= _MAXIMUM_IDLE_S:
        text = "The idle_delete_ttl must be between 5 minutes and 14 days"
        refuse(context, grpc.StatusCode.INVALID_ARGUMENT, text)
    for group in (config.master_config, config.worker_config):
        _check_disk(group, context)
    workers = config.worker_config.num_instances
    single = config.software_config.properties.get(_ZERO_WORKERS) == "true"
    if "worker_config" in config and workers < 2 and not (workers == 0 and single):
        text = f"Cluster requires a minimum of 2 workers, {workers} requested"
        refuse(context, grpc.StatusCode.INVALID_ARGUMENT, text)


def _check_disk(group: dataproc.InstanceGroupConfig, context: grpc.ServicerContext) -> None:
    """Aborts a request whose machines have no disks of the type."""
    series, disk = group.machine_type_uri.partition("-")[0], group.disk_config.boot_disk_type
    if series in HYPERDISK_ONLY and disk.startswith("pd-"):
        text = f"[{disk}] features are not compatible for creating instance of {group.machine_type_uri}"
        refuse(context, grpc.StatusCode.INVALID_ARGUMENT, text)


def _cpus_of(cluster: dataproc.Cluster) -> int:
    groups = (cluster.config.master_config, cluster.config.worker_config)
    return sum(group.num_instances * _cpus_by_name(group.machine_type_uri) for group in groups)


def _cpus_by_name(machine: str) -> int:
    found = re.search(r"-(\d+)$", machine)
    return int(found[1]) if found else 4


def _urls(scopes: tuple[str, ...]) -> list[str]:
    return [f"https://www.googleapis.com/auth/{scope}" for scope in scopes]
