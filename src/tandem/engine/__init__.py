"""The streaming engine: read, validate, watermark, transform, write.

It knows no pipeline.

Everything here is sent to the cluster, so it imports pyspark and the standard library only.
"""
