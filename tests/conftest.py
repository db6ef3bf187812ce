"""For every test: no sockets where none belong, no property test that fails because the machine is slow."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

TESTS = Path(__file__).parent
WITHOUT_SOCKETS = tuple(TESTS / name for name in ("unit", "playbook", "spec"))

settings.register_profile("doorward", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "doorward")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Switches sockets off, except Unix ones, which event loops need to wake themselves."""
    for item in items:
        if any(item.path.is_relative_to(folder) for folder in WITHOUT_SOCKETS):
            item.add_marker(pytest.mark.disable_socket)
