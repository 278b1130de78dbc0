"""Settings: what differs between environments, as one frozen value."""
