"""What the store says of callers, put in force: whose keys count, who is blocked, what ends, and when.

Nothing here is on the way of a call. What changes takes effect between two turns of the loop, in one piece:
from then on everybody concerned is refused. What they have open ends right after it (app/endings.py).
"""

import asyncio
import time
from collections.abc import Callable, Collection
from typing import Final

from doorward.app.endings import Endings
from doorward.app.last_use import TELL_S, LastUse
from doorward.app.recognised import same_callers
from doorward.app.world import World
from doorward.control.blocks import live_blocks
from doorward.control.ring import PEPPER
from doorward.control.standing import KeyTimes, changed_keys, has_rates
from doorward.identity.expiries import Expiries
from doorward.identity.revocations import Blocked
from doorward.model.errors import GatewayError
from doorward.model.principal import Principal
from doorward.pipeline.gateway import Gateway
from doorward.policy.engine import Engine
from doorward.ports.secrets import RotatingRing
from doorward.ports.store import BlockRecord, Store, StoreFacts

TICK_S: Final = 0.25
"""How late what ends by itself may end, at most twice that."""
Shut = Callable[[Engine, Collection[str]], None]
"""Told which servers were blocked or are not any more, and the policy before that."""


class Standing:
    """Of one process, whatever worlds it has had."""

    def __init__(  # noqa: PLR0917 - what there is of a process, each thing once
        self,
        store: Store,
        ring: RotatingRing,
        world: Callable[[], World],
        swap: Callable[[Gateway], None],
        endings: Endings,
        shut: Shut,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`world`: the one in force. `swap`: puts its gateway in force, when it got another one. `clock`:
        seconds since 1970."""
        self._world = world
        self._swap = swap
        self._endings = endings
        self._shut = shut
        self._clock = clock
        self._ring = ring
        self._facts = StoreFacts(0)
        self._keys = KeyTimes(self._facts)
        self._peppers: dict[int, float] = {}
        self._ended = 0
        """How many of them are over."""
        self._blocks: list[BlockRecord] = []
        self._revoked = Blocked()
        self._expiries, self._renewals = Expiries(), Expiries()
        self._dark = False
        """Whether streams were ended because the store cannot be read."""
        self._unsettled = asyncio.Event()
        self._doubted = True
        """Whether more may have changed than the time."""
        self._last_use = LastUse(store)

    def apply(self, facts: StoreFacts) -> None:
        """From now on this is what the store holds."""
        changed = changed_keys(self._facts, facts)
        self._look_at_peppers()
        self._facts, self._keys = facts, KeyTimes(facts, self._peppers)
        world = self._world()
        world.directory.replace(facts.keys, facts.operators)
        world.limit_keys(has_rates(facts))
        for block in facts.blocks:
            if block.expires_at is not None and block.lifted_at is None:
                self._expiries.note(block.expires_at)
        self._block(world)
        self._swap(world.gateway)
        # What a stream shows was judged by what its key was worth when it was opened.
        self._endings.close_streams(lambda principal: principal.key_id in changed)
        self._doubt()

    def confirm(self) -> None:
        """The store still holds what it held."""
        self._world().directory.confirm()

    def pass_on(self, old: World, new: World) -> None:
        """What `old` knew holds in `new`, which takes its place. Nothing may be awaited between the two."""
        new.directory.replace(self._facts.keys, self._facts.operators)
        new.limit_keys(has_rates(self._facts))
        new.directory.expiries = self._expiries
        new.directory.revoked = self._revoked
        new.block(self._revoked.servers)
        self._last_use.note(old.directory.take_used())

    def taken_over(self, old: World, new: World) -> None:
        """`new` is in force. A principal in an open stream was made by rules that may have changed since."""
        if not same_callers(old.loaded.settings, new.loaded.settings):
            self._endings.close_streams(lambda principal: principal.key_id is None)
        self._doubt()

    def distrust_tokens(self) -> None:
        """An issuer has withdrawn a key. Nobody remembers which one signed for whom, so all streams of signed
        tokens end: whoever has a good one is back with the next request."""
        self._world().directory.distrust_tokens()
        self._endings.close_streams(lambda principal: principal.method == "jwt")

    def tick(self) -> None:
        """Time has passed: what has ended by itself meanwhile."""
        now, world = self._clock(), self._world()
        if self._expiries.due(now):
            self._renewals.note(now + world.loaded.settings.gateway.sessions.renewal)
            if self._ended_peppers(now) != self._ended:
                self._ended = self._ended_peppers(now)
                world.directory.doubt_keys()
                self._doubt()
            if self._block(world):
                self._doubt()
            self._swap(world.gateway)
            self._unsettled.set()
        if self._renewals.due(now):
            self._unsettled.set()
        stale = world.directory.stale
        if stale and not self._dark:
            self._endings.close_streams(lambda _: True)
        self._dark = stale

    async def settle(self) -> None:
        """End what is open of everybody with whom it is over now. Where only the time has changed, nothing
        else is looked at: tokens of somebody end all the while."""
        doubted, self._doubted = self._doubted, False
        self._unsettled.clear()
        if doubted:
            await self._endings.end(self._stream_over, self._caller_over)
        else:
            await self._endings.end(self._expired, self._long_expired)

    async def watch(self) -> None:
        """Until cancelled: ends what has to end, in time."""
        while True:
            try:
                async with asyncio.timeout(TICK_S):
                    await self._unsettled.wait()
            except TimeoutError:
                self.tick()
            if self._unsettled.is_set():
                await self.settle()

    async def run(self) -> None:
        """Until cancelled: tells the store which keys are used."""
        while True:
            await asyncio.sleep(TELL_S)
            self._doubt()  # more than `Expiries` can note ends at the latest now
            await self.tell()

    async def tell(self) -> None:
        """Tell the store now."""
        self._last_use.note(self._world().directory.take_used())
        await self._last_use.tell()

    def _look_at_peppers(self) -> None:
        """What cannot be read now must not keep a revocation from taking effect."""
        try:
            self._peppers = {one.number: one.ends for one in self._ring.versions(PEPPER)}
        except GatewayError:
            return
        for ends in self._peppers.values():
            self._expiries.note(ends)

    def _ended_peppers(self, now: float) -> int:
        return sum(ends <= now for ends in self._peppers.values())

    def _doubt(self) -> None:
        self._doubted = True
        self._unsettled.set()

    def _block(self, world: World) -> bool:
        """Put the blocks in force that are so now; whether they are others than before. A value that stays
        as it was is left alone, because a new one has every caller judged again."""
        blocks = live_blocks(self._facts.blocks, self._clock())
        differ = blocks != self._blocks
        if differ:
            self._blocks, self._revoked = blocks, Blocked(blocks)
        directory, policy = world.directory, world.policy
        directory.expiries = self._expiries
        if directory.revoked is not self._revoked:
            directory.revoked = self._revoked
        world.block(self._revoked.servers)
        changed = policy.blocked ^ world.policy.blocked
        for name in changed & world.policy.blocked & world.servers.keys():
            self._endings.clear(world.servers[name])
        if changed:
            self._shut(policy, changed)
        return differ

    def _expired(self, principal: Principal) -> bool:
        return principal.expires_at <= self._clock()

    def _long_expired(self, principal: Principal, idle_s: float) -> bool:
        """Who has to renew a token may take its time; whoever was there after its end has done so."""
        now, ended = self._clock(), principal.expires_at
        if principal.key_id is not None:
            return self._keys.until(principal.key_id, now) <= now
        if ended > now:
            return False
        renewal = self._world().loaded.settings.gateway.sessions.renewal
        return ended + renewal <= now and now - idle_s <= ended

    def _stream_over(self, principal: Principal) -> bool:
        return self._expired(principal) or self._gone(principal)

    def _caller_over(self, principal: Principal, idle_s: float) -> bool:
        return self._long_expired(principal, idle_s) or self._gone(principal)

    def _gone(self, principal: Principal) -> bool:
        """Whether a request of this principal would be refused whatever it presents."""
        key = principal.key_id
        return (
            self._revoked.holds(principal) is not None
            or not self._world().recognised.knows(principal)
            or (key is not None and self._keys.until(key, self._clock()) <= self._clock())
        )
