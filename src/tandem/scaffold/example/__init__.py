"""Your own pipelines, one folder each; `tandem new NAME` writes one."""
