"""The bundled pipelines, one folder each."""
