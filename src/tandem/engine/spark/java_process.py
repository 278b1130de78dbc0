"""Ends the Java that a driver has started, and reads its exit code."""

from __future__ import annotations

import subprocess

from pyspark import SparkContext

# How long a Java that no longer answers may take to end.
_END_S = 10.0


def end_java() -> None:
    """Ends this driver's Java, if it has one."""
    java = _process()
    if java and java.stdin:
        # Java ends when this pipe closes.
        java.stdin.close()
        java_exit_code()


def java_exit_code() -> int | None:
    """Returns the exit code of this driver's Java.

    None if it has not ended, or another process started it.
    """
    java = _process()
    try:
        return java.wait(_END_S) if java else None
    except subprocess.TimeoutExpired:
        return None


def _process() -> subprocess.Popen[bytes] | None:
    # Before Spark has started, there is no gateway.
    return getattr(SparkContext._gateway, "proc", None)
