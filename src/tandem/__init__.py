"""Tandem: Kafka, Spark and MongoDB streaming pipelines, the same on a laptop and on Dataproc."""

__version__ = "0.1.0"
