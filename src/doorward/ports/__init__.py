"""Protocols for everything with I/O: three to six verbs each, so exact that a contract suite can test them."""
