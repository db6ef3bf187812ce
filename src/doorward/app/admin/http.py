"""uvicorn's HTTP/1.1 with an end to patience: it has no limit of its own for a head that never ends."""

import asyncio
from typing import Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

LOOK_S: Final = 5.0


class PatientProtocol(H11Protocol):
    """Closes a connection on which nothing has become of anything between two looks: at the latest after two
    of them."""

    _looking: asyncio.TimerHandle | None = None
    _last: object = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as theirs
        super().connection_made(transport)
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._looking is not None:
            self._looking.cancel()
        super().connection_lost(exc)

    def _look(self) -> None:
        waiting = self.conn.their_state is h11.IDLE
        now = (waiting, self.cycle)
        if waiting and now == self._last:
            self.transport.close()
            return
        self._last = now
        self._looking = self.loop.call_later(LOOK_S, self._look)
