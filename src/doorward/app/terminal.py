"""Whose terminal this is."""

import getpass


def operator() -> str:
    """The name of the login, for change records of commands that ask for no operator's token."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
