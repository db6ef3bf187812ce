"""Bytes to wire events and back: HTTP/1.1 and stdio. Knows nothing of policy."""
