"""A pipeline's data as DataFrames in a notebook or a shell."""
