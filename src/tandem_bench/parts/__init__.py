"""The parts of the bench, one module each: ``measure(bench)`` returns a ``result.Part``."""
