"""Keeps the listings recent: asks servers, one question at a time each, and hands on what changed."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from doorward.catalog.definitions import LIST_METHOD, definition_steps, said_steps
from doorward.catalog.pauses import Pauses
from doorward.catalog.snapshot import Listing, unknown
from doorward.model.errors import UpstreamError
from doorward.model.reasons import Reason
from doorward.model.target import Kind, ToolRule
from doorward.ports.lister import Lister
from doorward.ports.shares import Shares

RECENT_S = 5.0
"""A list request asks the servers again when what we know is older than this."""
WAIT_S = 3.0
"""How long a list request waits for a slow server before it goes on without its news."""
STARTING_WAIT_S = 10.0
"""The same for a local server that is still on its first start: what a client lists first, it may keep for
the whole of its session, and an interpreter that starts on a busy machine takes seconds."""
DOUBTFUL_WAIT_S = 0.25
"""The same for a server that gave no answer the last time: long enough for one that is back, and short enough
that one that hangs for ever does not hold up every list."""
AGAIN_S: Final = 1.0
"""After a server that has announced a change and did not say what it has now, until it is asked again: nobody
else may ever ask, and who listens waits for the news."""
LONGEST_AGAIN_S: Final = 30.0
"""It doubles up to this."""

UNUSABLE: Final = frozenset({Reason.UPSTREAM_PROTOCOL_ERROR, Reason.UPSTREAM_REPLY_TOO_LARGE})
"""Answers all the same: a server that gives one is not asked again at once, which may cost megabytes."""


class Question(NamedTuple):
    """One that a server has not answered yet."""

    task: asyncio.Task[None]
    until: float
    """How long anybody waits for it, in `time.monotonic()`."""


class Keeper:
    """One per configuration.

    `changed` is awaited with each listing that differs, of one server one after the other; `shares` runs what
    takes long, while what was known before is served.
    """

    def __init__(
        self,
        listers: Mapping[str, Lister],
        rules: Mapping[str, Sequence[ToolRule]],
        changed: Callable[[Listing, Kind], Awaitable[None]],
        known: Mapping[str, Listing],
        shares: Shares,
    ) -> None:
        self._listers = listers
        self._rules = rules
        self._changed = changed
        self._shares = shares
        self._turns = {name: asyncio.Lock() for name in listers}
        """What one server says is worked out in the order in which it came."""
        self._listings = {name: known.get(name, unknown(name)) for name in listers}
        self._asked: dict[tuple[str, Kind], float] = {}
        self._asking: dict[tuple[str, Kind | None], Question] = {}
        self._silent: set[tuple[str, Kind | None]] = set()
        """What was last asked without an answer."""
        self._said: dict[tuple[str, Kind], bytes] = {}
        """Digest of the last answer: of one that says the same nothing is worked out again."""
        self._renewing: set[tuple[str, tuple[Kind, ...]]] = set()
        """Renewals that have not asked yet: what changes now, they will see."""
        self._owed: dict[tuple[str, Kind], float] = {}
        """Announced and not heard yet: seconds until a question that fails is put again."""
        self._again: dict[tuple[str, Kind], asyncio.TimerHandle] = {}
        self._pauses = Pauses()

    def failing(self, servers: Iterable[str], kind: Kind | None = None) -> tuple[str, ...]:
        """Those that are not up, or have not said what they have of this kind, in time and in a form that can
        be used. What they said before is still shown."""
        now = time.monotonic()
        return tuple(
            name for name in servers if not self._listers[name].up or self._unheard((name, kind), now)
        )

    def unlisted(self, server: str) -> tuple[str, ...]:
        """The lists that a server which is up did not say, in time and in a form that can be used."""
        now = time.monotonic()
        return tuple(method for kind, method in LIST_METHOD.items() if self._unheard((server, kind), now))

    def _unheard(self, key: tuple[str, Kind | None], now: float) -> bool:
        question = self._asking.get(key)
        return key in self._silent or (question is not None and question.until <= now)

    async def recent(
        self, servers: Iterable[str], kinds: Iterable[Kind], *, max_age: float = RECENT_S
    ) -> None:
        """Returns when what we know of `kinds` is at most `max_age` seconds old, or after a bounded wait."""
        wanted = [(server, kind) for server in servers for kind in kinds]
        now = time.monotonic()
        questions = [
            self._ask(*key, now) for key in wanted if now - self._asked.get(key, -math.inf) > max_age
        ]
        # A wait for each question, not for each asker: a server that hangs makes one list wait, not all.
        for question in questions:
            left = question.until - time.monotonic()
            if left > 0:
                await asyncio.wait([question.task], timeout=left)

    async def renew(self, server: str, kinds: Iterable[Kind]) -> None:
        """The same for a server that says that it has changed: what it is being asked now may be older.

        Returns at once when another renewal is about to ask the same.
        """
        wanted = (server, tuple(kinds))
        if wanted in self._renewing:
            return
        self._renewing.add(wanted)
        try:
            await self._settled(*wanted)
        finally:
            self._renewing.discard(wanted)
        for kind in wanted[1]:
            self._owed.setdefault((server, kind), AGAIN_S)
        await self.recent((server,), wanted[1], max_age=-1.0)

    async def _settled(self, server: str, kinds: tuple[Kind, ...]) -> None:
        """Returns when older questions are answered and the last renewal is long enough ago."""
        older = [
            question.task
            for (asked, kind), question in self._asking.items()
            if asked == server and kind in kinds
        ]
        if older:
            await asyncio.wait(older)
        left = self._pauses.left((server, kinds), time.monotonic())
        if left > 0:
            await asyncio.sleep(left)
        self._pauses.renewing((server, kinds), time.monotonic(), waited=left > 0)

    def _ask(self, server: str, kind: Kind, now: float) -> Question:
        """One question in flight per server and kind; later askers share it."""
        key = (server, kind)
        question = self._asking.get(key)
        if question is None:
            task = asyncio.get_running_loop().create_task(self._refresh(server, kind))
            question = self._asking[key] = Question(task, now + self._patience(server))
            task.add_done_callback(lambda _: self._asking.pop(key, None))
        return question

    def _patience(self, server: str) -> float:
        """Seconds that lists wait for a question that is asked now."""
        if any((server, one) in self._silent for one in Kind):
            return DOUBTFUL_WAIT_S
        return STARTING_WAIT_S if self._listers[server].starting else WAIT_S

    async def _refresh(self, server: str, kind: Kind) -> None:
        key = (server, kind)
        try:
            listed = await self._listers[server].list(LIST_METHOD[kind])
        except UpstreamError as error:
            self._silent.add(key)
            if error.reason in UNUSABLE:
                self._asked[key] = time.monotonic()
                self._owed.pop(key, None)
            else:
                self._ask_again(key)
            return  # the listing stays as it was; `failing` names the server
        async with self._turns[server]:
            await self._learn(server, kind, listed)
        self._silent.discard(key)
        self._owed.pop(key, None)
        self._asked[key] = time.monotonic()

    def _ask_again(self, key: tuple[str, Kind]) -> None:
        """Later, if news of it are owed. One of which nothing is known yet is looked after by the house."""
        wait = self._owed.get(key)
        if wait is None or key in self._again or not self._listings[key[0]].known:
            return
        self._owed[key] = min(wait * 2, LONGEST_AGAIN_S)
        self._again[key] = asyncio.get_running_loop().call_later(wait, self._put_again, key)

    def _put_again(self, key: tuple[str, Kind]) -> None:
        del self._again[key]
        if key not in self._owed:
            return  # whoever asked meanwhile was told
        if self._listers[key[0]].up:
            self._ask(*key, time.monotonic())
        else:
            self._ask_again(key)

    async def _learn(self, server: str, kind: Kind, listed: list[dict[str, Any]]) -> None:
        key, known = (server, kind), self._listings[server].definitions.get(kind, ())
        said = await self._shares.run(said_steps(listed))
        if self._said.get(key) != said:
            rules = self._rules.get(server, ())
            found = await self._shares.run(definition_steps(server, kind, listed, rules, known))
            # Of what is the very same nothing is made anew: an order of members that changes is no change.
            known = known if found == known and kind in self._listings[server].definitions else found
            self._said[key] = said
        lister, before = self._listers[server], self._listings[server]
        listing = Listing(
            server,
            {**before.definitions, kind: known},
            lister.capabilities,
            lister.server_info,
            lister.instructions,
        )
        if listing != before:
            self._listings[server] = listing
            await self._changed(listing, kind)

    async def close(self) -> None:
        """Stop asking."""
        for timer in self._again.values():
            timer.cancel()
        self._owed.clear()
        tasks = [question.task for question in self._asking.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
