"""Protocols for everything with I/O: three to six verbs each, exact enough for a contract suite."""
