"""A pipeline in a notebook or a shell: its topics, its transform and its collections as DataFrames."""
