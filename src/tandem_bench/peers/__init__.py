"""Peers and limits, which are programs that the job is compared with.

Limits (``spark_*``) do a part of the job's work. All are run by path.

A peer imports only what it would need elsewhere.
"""
