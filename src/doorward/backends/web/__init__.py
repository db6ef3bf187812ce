"""Asking others over HTTP, in the background (port: Fetch)."""
