"""Ports kept in this process's memory: for one process, and for tests."""
