import asyncio
import socket

import pytest
from pytest_socket import SocketBlockedError


def test_sockets_are_off() -> None:
    with pytest.raises(SocketBlockedError):
        socket.socket(socket.AF_INET, socket.SOCK_STREAM)


def test_names_are_not_looked_up() -> None:
    with pytest.raises(SocketBlockedError):
        socket.getaddrinfo("localhost", 80)


@pytest.mark.asyncio
async def test_an_event_loop_still_wakes_up() -> None:
    assert await asyncio.to_thread(lambda: 42) == 42
