"""Google's documented rules for requests to Dataproc.

A stand-in refuses what Google refuses.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import grpc

from tandem_rehearsal.grpc_service import refuse

# RFC 1035, as the API's reference asks of keys and values. A value may also be empty.
_LABEL = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
_MOST_LABELS = 32
_JOB_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
_CLUSTER_NAME = re.compile(r"[a-z]([-a-z0-9]{0,49}[a-z0-9])?")
_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{0,40}")


def check_labels(labels: Mapping[str, str], context: grpc.ServicerContext) -> None:
    """Aborts a request whose labels do not conform to RFC 1035."""
    wrong = [key for key in labels if not _LABEL.fullmatch(key)]
    wrong += [value for value in labels.values() if value and not _LABEL.fullmatch(value)]
    if wrong:
        text = (
            f"Invalid label '{wrong[0]}'. Only lowercase letters, numbers, and dashes are allowed. "
            "The value must start with a lowercase letter and end with a lowercase letter or number."
        )
        refuse(context, grpc.StatusCode.INVALID_ARGUMENT, text)
    if len(labels) > _MOST_LABELS:
        refuse(context, grpc.StatusCode.INVALID_ARGUMENT, f"No more than {_MOST_LABELS} labels are allowed")


def check_job_id(name: str, context: grpc.ServicerContext) -> None:
    """Aborts a request for a job whose id has other characters or is too long."""
    if not _JOB_ID.fullmatch(name):
        refuse(context, grpc.StatusCode.INVALID_ARGUMENT, f"Job id '{name}' must conform to pattern {_JOB_ID.pattern}")


def check_cluster_name(name: str, context: grpc.ServicerContext) -> None:
    """Aborts a request for a cluster with an invalid name."""
    if not _CLUSTER_NAME.fullmatch(name):
        refuse(context, grpc.StatusCode.INVALID_ARGUMENT, f"Invalid cluster name '{name}'")


def check_request_id(name: str, context: grpc.ServicerContext) -> None:
    """Aborts a request whose id has other characters or is too long."""
    if not _REQUEST_ID.fullmatch(name):
        refuse(context, grpc.StatusCode.INVALID_ARGUMENT, f"Invalid request id '{name}'")
