"""What a pipeline declares."""
