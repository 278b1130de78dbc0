"""The parts of the bench, one module each: ``measure(config)`` returns a ``result.Part``."""
