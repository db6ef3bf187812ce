"""A gateway per test, for tests that reload, break or kill it; the others share one per module."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.support.gateway import Gateway, running

Start = Callable[[dict[str, Any]], Gateway]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a gateway with a configuration (without version and gateway) and returns it when it is ready."""
    with ExitStack() as stack:
        count = iter(range(100))

        def launch(config: dict[str, Any]) -> Gateway:
            folder = tmp_path / f"gateway{next(count)}"
            folder.mkdir()
            return stack.enter_context(running(folder, config))

        yield launch
