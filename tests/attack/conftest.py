"""Which event loop the upstream attacks run on: the one that the gateway runs on, and for processes both."""

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop

Loops = Mapping[str, Callable[[], asyncio.AbstractEventLoop]]
BOTH = {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Loops:
    """uvloop's transports are not asyncio's: what holds on one need not hold on the other."""
    if item.path.name == "test_upstream_stdio.py":
        return BOTH
    name = "uvloop" if item.path.name in ("test_upstream_sse.py", "test_upstream_wedged.py") else "asyncio"
    return {name: BOTH[name]}
