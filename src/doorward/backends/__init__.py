"""Implementations of ports, one folder per technology. Only `app` and tests name them."""
