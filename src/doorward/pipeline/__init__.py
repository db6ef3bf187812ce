"""The path of one call. Start with `request.py` and read it top to bottom."""
