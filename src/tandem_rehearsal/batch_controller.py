"""A stand-in for Dataproc's serverless batches, with its states.

Every batch really runs.
"""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import grpc
from google.cloud import dataproc_v1 as dataproc
from google.longrunning.operations_pb2 import CancelOperationRequest, Operation
from google.protobuf.empty_pb2 import Empty

from tandem.runtimes import runtimes
from tandem_rehearsal.cluster_controller import check_place
from tandem_rehearsal.grpc_service import handler, refuse
from tandem_rehearsal.job_controller import DriverHandle
from tandem_rehearsal.list_filter import matching
from tandem_rehearsal.memory_rules import end_of_batch, refusal_of_batch
from tandem_rehearsal.request_rules import check_labels, check_request_id

SERVICE, OPERATIONS = "google.cloud.dataproc.v1.BatchController", "google.longrunning.Operations"
State = dataproc.Batch.State
Authentication = dataproc.AuthenticationConfig.AuthenticationType
# Who creates every batch.
DEPLOYER = "deployer@example.com"
# Starts a batch's driver.
Launch = Callable[[dataproc.Batch], DriverHandle]
_ACTIVE = (State.PENDING, State.RUNNING, State.CANCELLING)
_ID = re.compile(r"[a-z0-9][a-z0-9-]{2,61}[a-z0-9]")
# Properties of Google's own, besides Spark's.
_GOOGLES = {"dataproc.artifacts.remove": frozenset({"conscrypt", "delta-lake", "iceberg", "spark-bigquery-connector"})}
# Google names these two kinds of properties, without a list.
_OF_CLUSTERS = ("spark.master", "spark.yarn.", "spark.shuffle.service.")
_PARENT = re.compile(r"projects/([^/]+)/locations/([^/]+)(?:/batches/([^/]+))?")
_MINIMUM_TTL_S, _MAXIMUM_TTL_S = 600, 14 * 24 * 3600


@dataclass
class _SubmittedBatch:
    batch: dataproc.Batch
    request_id: str
    cancelled: bool = False
    driver: DriverHandle | None = None


class BatchController:
    """Creates, reads and cancels serverless batches.

    It neither restarts a failed driver nor limits its time.

    Args:
        project: the only project.
        region: the only region.
        launch: starts drivers.
    """

    def __init__(self, project: str, region: str, launch: Launch) -> None:
        self._place, self._launch = (project, region), launch
        self._lock = threading.RLock()
        self._batches: dict[str, _SubmittedBatch] = {}

    def services(self) -> tuple[grpc.GenericRpcHandler, ...]:
        """Returns the handlers for a gRPC server."""
        return (
            handler(
                SERVICE,
                CreateBatch=(self._create, dataproc.CreateBatchRequest, Operation),
                GetBatch=(self._get, dataproc.GetBatchRequest, dataproc.Batch),
                ListBatches=(self._list, dataproc.ListBatchesRequest, dataproc.ListBatchesResponse),
            ),
            handler(OPERATIONS, CancelOperation=(self._cancel, CancelOperationRequest, Empty)),
        )

    def stop(self) -> None:
        """Ends every driver."""
        with self._lock:
            running = [each for each in self._batches.values() if each.batch.state in _ACTIVE]
        for each in running:
            self._end(each)

    def _create(self, request: dataproc.CreateBatchRequest, context: grpc.ServicerContext) -> Operation:
        self._check_place(request.parent, context)
        self._check(request, context)
        with self._lock:
            before = self._batches.get(request.batch_id)
            if before and before.request_id == request.request_id:
                return Operation(name=before.batch.operation)
            if before:
                refuse(context, grpc.StatusCode.ALREADY_EXISTS, f"Already exists: Batch {request.batch_id}")
            batch = dataproc.Batch(request.batch)
            batch.name, batch.uuid = f"{request.parent}/batches/{request.batch_id}", str(uuid.uuid4())
            batch.operation = f"projects/{self._place[0]}/regions/{self._place[1]}/operations/{uuid.uuid4()}"
            # Runtimes since 3.0 have no staging bucket: there is no URI of the output.
            batch.creator, batch.runtime_info = DEPLOYER, dataproc.RuntimeInfo()
            submitted = _SubmittedBatch(batch, request.request_id)
            self._show(submitted, State.PENDING)
            self._batches[request.batch_id] = submitted
        threading.Thread(target=self._run, args=(submitted,), name=request.batch_id, daemon=True).start()
        # It would end with the batch, but no client waits for it.
        return Operation(name=batch.operation)

    def _get(self, request: dataproc.GetBatchRequest, context: grpc.ServicerContext) -> dataproc.Batch:
        name = self._check_place(request.name, context)
        with self._lock:
            batch = self._batches.get(name)
        if batch is None:
            refuse(context, grpc.StatusCode.NOT_FOUND, f"Not found: Batch {request.name}")
        return batch.batch

    def _list(
        self, request: dataproc.ListBatchesRequest, context: grpc.ServicerContext
    ) -> dataproc.ListBatchesResponse:
        self._check_place(request.parent, context)
        with self._lock:
            batches = [each.batch for each in reversed(self._batches.values())]
        fields = ("batch_id", "batch_uuid", "state")
        wanted = [
            each
            for each in batches
            if matching(request.filter, fields, _values(each), each.labels, context, alternatives=True)
        ]
        return dataproc.ListBatchesResponse(batches=wanted)

    def _cancel(self, request: CancelOperationRequest, context: grpc.ServicerContext) -> Empty:
        with self._lock:
            batch = next((each for each in self._batches.values() if each.batch.operation == request.name), None)
        if batch is None:
            refuse(context, grpc.StatusCode.NOT_FOUND, f"Not found: Operation {request.name}")
        if batch.batch.state not in _ACTIVE:
            refuse(context, grpc.StatusCode.FAILED_PRECONDITION, f"Batch {batch.batch.name} has ended")
        threading.Thread(target=self._end, args=(batch,), daemon=True).start()
        return Empty()

    def _check_place(self, name: str, context: grpc.ServicerContext) -> str:
        """Returns the last part of a name, after checking the rest."""
        parts = _PARENT.fullmatch(name)
        if parts is None:
            refuse(context, grpc.StatusCode.INVALID_ARGUMENT, f"Malformed name: '{name}'")
        check_place(parts[1], parts[2], self._place, context)
        return parts[3] or ""

    def _check(self, request: dataproc.CreateBatchRequest, context: grpc.ServicerContext) -> None:
        """Rejects requests that Google's documentation calls invalid."""
        check_labels(request.batch.labels, context)
        check_request_id(request.request_id, context)
        version, properties = request.batch.runtime_config.version, request.batch.runtime_config.properties
        ttl = request.batch.environment_config.execution_config.ttl
        if not _ID.fullmatch(request.batch_id):
            refuse(context, grpc.StatusCode.INVALID_ARGUMENT, f"Invalid batch id '{request.batch_id}'")
        if version != runtimes().serverless.image:
            refuse(context, grpc.StatusCode.INVALID_ARGUMENT, f"Runtime version '{version}' is not supported")
        if ttl and not _MINIMUM_TTL_S <= ttl.total_seconds() <= _MAXIMUM_TTL_S:
            refuse(context, grpc.StatusCode.INVALID_ARGUMENT, "ttl must be between 10 minutes and 14 days")
        if not account_of(request.batch, DEPLOYER):
            refuse(context, grpc.StatusCode.INVALID_ARGUMENT, f"Runtime {version} needs a custom service account")
        for name, value in properties.items():
            known = (name.startswith("spark.") and not name.startswith(_OF_CLUSTERS)) or value in _GOOGLES.get(name, ())
            if not known:
                refuse(context, grpc.StatusCode.INVALID_ARGUMENT, f"Unsupported property: {name}={value}")
        if not 2 <= int(properties.get("spark.executor.instances", "2")) <= 2000:
            text = "spark.executor.instances must be at least 2 and at most 2000"
            refuse(context, grpc.StatusCode.INVALID_ARGUMENT, text)
        if why := refusal_of_batch(properties):
            refuse(context, grpc.StatusCode.INVALID_ARGUMENT, why)

    def _run(self, submitted: _SubmittedBatch) -> None:
        if why := end_of_batch(submitted.batch.runtime_config.properties):
            with self._lock:
                self._show(submitted, State.FAILED, why)
            return
        # This takes long if a Spark must be installed.
        driver = self._launch(submitted.batch)
        with self._lock:
            submitted.driver = driver
            if not submitted.cancelled:
                self._show(submitted, State.RUNNING)
        if submitted.cancelled:
            driver.kill()
        code = driver.wait()
        with self._lock:
            if submitted.cancelled:
                self._show(submitted, State.CANCELLED)
            elif code == 0:
                self._show(submitted, State.SUCCEEDED)
            else:
                self._show(submitted, State.FAILED, f"the driver ended with exit code {code}")

    def _end(self, submitted: _SubmittedBatch) -> None:
        with self._lock:
            if submitted.batch.state not in _ACTIVE:
                return
            submitted.cancelled = True
            self._show(submitted, State.CANCELLING)
            driver = submitted.driver
        if driver:
            driver.kill()

    def _show(self, submitted: _SubmittedBatch, state: Any, message: str = "") -> None:
        # A new message: a reader may be writing the old one to its client.
        batch = dataproc.Batch(submitted.batch)
        batch.state, batch.state_message, batch.state_time = state, message, datetime.now(UTC)
        submitted.batch = batch


def _values(batch: dataproc.Batch) -> dict[str, str]:
    return {
        "batch_id": batch.name.rpartition("/")[2],
        "batch_uuid": batch.uuid,
        "state": dataproc.Batch.State(batch.state).name,
    }


def account_of(batch: dataproc.Batch, creator: str = "") -> str:
    """Returns the account of a batch's driver.

    Since runtime 3.0 it is the creator, unless the batch names another.

    Args:
        batch: the batch.
        creator: who creates it; empty for the one that it names.
    """
    execution = batch.environment_config.execution_config
    if execution.authentication_config.user_workload_authentication_type == Authentication.SERVICE_ACCOUNT:
        return str(execution.service_account)
    return creator or str(batch.creator)


def as_job(batch: dataproc.Batch) -> dataproc.Job:
    """Returns an equivalent job."""
    what = batch.pyspark_batch
    spark = {name: value for name, value in batch.runtime_config.properties.items() if name not in _GOOGLES}
    return dataproc.Job(
        job_uuid=batch.uuid,
        labels=batch.labels,
        pyspark_job=dataproc.PySparkJob(
            main_python_file_uri=what.main_python_file_uri,
            args=what.args,
            python_file_uris=what.python_file_uris,
            jar_file_uris=what.jar_file_uris,
            file_uris=what.file_uris,
            properties=spark,
        ),
    )
