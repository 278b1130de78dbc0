"""The declarations of a pipeline: streams, field types, documents and view."""
