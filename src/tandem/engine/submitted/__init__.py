"""The files that every platform submits to Spark.

``--pipeline PACKAGE`` names the pipeline.
"""
