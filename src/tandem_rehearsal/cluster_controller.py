"""A stand-in for Dataproc's clusters, which exist by name only."""

from __future__ import annotations

import threading
import uuid
from typing import Any

import grpc
from google.cloud import dataproc_v1 as dataproc
from google.longrunning.operations_pb2 import Operation
from google.protobuf.any_pb2 import Any as AnyMessage

from tandem_rehearsal.grpc_service import handler, refuse

SERVICE = "google.cloud.dataproc.v1.ClusterController"


class ClusterController:
    """Creates, reads and deletes clusters. A new one runs at once: its machine is this one.

    Args:
        project: the only project.
        region: the only region.
    """

    def __init__(self, project: str, region: str) -> None:
        self._place = (project, region)
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
        with self._lock:
            if name in self._clusters:
                refuse(context, grpc.StatusCode.ALREADY_EXISTS, f"Already exists: Cluster {name}")
            cluster = dataproc.Cluster(request.cluster)
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
