"""The embedded platform: all services as local processes."""
