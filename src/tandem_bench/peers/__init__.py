"""Programs that the job is compared with, run by path: peers, and limits (``spark_*``), which do a part of its work.

A peer imports only what it would need elsewhere.
"""
