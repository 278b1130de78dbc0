"""The files that are submitted to Spark, unchanged on every platform; ``--pipeline PACKAGE`` names the pipeline."""
