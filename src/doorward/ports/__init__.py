"""Protocols for everything with I/O: three to six verbs each, stated so that a contract suite can test them."""
