"""Ports kept in files of the state directory."""
