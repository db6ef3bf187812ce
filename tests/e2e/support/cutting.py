"""A TCP relay before a port that cuts a connection once, when something certain has come through it."""

import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread

from tests.e2e.support.processes import LOOPBACK


class Cut:
    """Cuts at `mark`, which is not passed on any more. `sent` is all that the clients have said."""

    def __init__(self, listener: socket.socket, port: int, mark: bytes) -> None:
        self.done = False
        self.sent = b""
        self._listener = listener
        self._port = port
        self._mark = mark

    def serve(self) -> None:
        with suppress(OSError):  # the listener was closed: that is the end
            while True:
                client, _ = self._listener.accept()
                Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        with client, socket.create_connection((LOOPBACK, self._port)) as server, suppress(OSError):
            while True:
                for end in select.select((client, server), (), ())[0]:
                    data = end.recv(65536)
                    if not data or (end is server and self._is_time(data)):
                        return
                    if end is client:
                        self.sent += data
                    (server if end is client else client).sendall(data)

    def _is_time(self, data: bytes) -> bool:
        due = not self.done and self._mark in data
        self.done = self.done or due
        return due


@contextmanager
def cutting(port: int, mark: bytes) -> Iterator[tuple[Cut, int]]:
    """The relay and the port to connect to."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        cut = Cut(listener, port, mark)
        serving = Thread(target=cut.serve, daemon=True)
        serving.start()
        yield cut, listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        serving.join(5)
