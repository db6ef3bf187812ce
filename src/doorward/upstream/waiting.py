"""The questions that a server has asked about one call, while they wait for their answers."""

import asyncio
import math
from typing import Final, Protocol

from doorward.model.call import RequestId
from doorward.upstream.timeouts import Due, Timeouts, later

ASK_S: Final = 300.0
"""How long a client may take to answer one question."""
WAIT_S: Final = 900.0
"""How long all questions of one call may take together."""
_PATIENT: Final = Timeouts(connect_s=math.inf, tls_s=math.inf, total_s=math.inf)


class Timed(Protocol):
    """What has the deadline of a call."""

    deadline: float


class Waiting:
    """The questions about one call that wait for their answers."""

    def __init__(self, timed: Timed | None) -> None:
        self._timed = timed
        self._loop = asyncio.get_running_loop()
        self._tasks: dict[RequestId, asyncio.Task[None]] = {}
        self._due = self._since = 0.0
        self._waited = 0.0
        self.count = 0

    def __len__(self) -> int:
        return len(self._tasks)

    @property
    def left_s(self) -> float:
        """How long a further question may wait."""
        return min(ASK_S, WAIT_S - self._waited)

    def knows(self, request_id: RequestId) -> bool:
        return request_id in self._tasks

    def begin(self, request_id: RequestId, task: asyncio.Task[None]) -> None:
        """Stop the call's clock."""
        if not self._tasks:
            self._since = self._loop.time()
            if self._timed is not None:
                self._due, self._timed.deadline = self._timed.deadline, Due.of(_PATIENT, self._since)
        self._tasks[request_id] = task
        self.count += 1

    def end(self, request_id: RequestId) -> None:
        """With the last question the clock goes on."""
        if self._tasks.pop(request_id, None) is not None and not self._tasks:
            spent = self._loop.time() - self._since
            self._waited += spent
            if self._timed is not None:
                self._timed.deadline = later(self._due, spent)

    def withdraw(self, request_id: object) -> bool:
        """The server does not want to know any more. False when it had not asked."""
        task = self._tasks.get(request_id) if isinstance(request_id, int | str) else None
        return task is not None and task.cancel()

    async def close(self) -> None:
        """The call is over, and so are its questions."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
