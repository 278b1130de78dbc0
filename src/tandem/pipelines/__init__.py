"""The bundled pipelines, one folder each: streams, transform, generator and oracle."""
