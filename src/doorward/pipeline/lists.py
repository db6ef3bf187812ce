"""The lists: what the servers behind an endpoint offer, filtered for who asks.

Lists and calls are decided by the same function: what `decide` hides without arguments is not callable with
any. A list shows what each server said last, and names in `_meta` those that did not say it this time: a
hiccup is no news for clients, and a call to what is really gone gets an error that names the server.
"""

import base64
import binascii
from collections.abc import Generator, Sequence
from typing import Final, NamedTuple, Protocol

import msgspec

from doorward.model.call import Call, Era, Outcome, Reply
from doorward.model.errors import CallerError, UpstreamError
from doorward.model.principal import Principal
from doorward.model.reasons import Reason
from doorward.model.target import Kind
from doorward.model.verdict import Allow
from doorward.pipeline.shares import Shares
from doorward.policy.engine import Engine
from doorward.ports.catalog import Catalog, Entry

LISTS: Final = {
    "tools/list": (Kind.TOOL, b"tools"),
    "prompts/list": (Kind.PROMPT, b"prompts"),
    "resources/list": (Kind.RESOURCE, b"resources"),
    "resources/templates/list": (Kind.TEMPLATE, b"resourceTemplates"),
}
UNAVAILABLE_META: Final = "dev.doorward/unavailable"
MODERN_LIST_TAIL: Final = b',"resultType":"complete","ttlMs":0,"cacheScope":"private"'
STEP: Final = 4
"""Entries that are decided between two pauses: the first question about some rules takes a millisecond."""


class Offer(Protocol):
    """The catalogue and the policy that belong together at this moment."""

    @property
    def catalog(self) -> Catalog: ...

    @property
    def policy(self) -> Engine: ...


class Item(NamedTuple):
    """One that this caller may see."""

    exposed: str
    encoded: bytes


class Lists:
    """One per configuration."""

    def __init__(self, offer: Offer, page: int = 0) -> None:
        """`page`: how many items there are on one; 0 puts all of them on one, because several clients never
        ask for the next (research brief 5)."""
        self._offer = offer
        self._page = page
        self._shares = Shares()

    async def answer(self, call: Call, principal: Principal) -> Reply:
        """Raises CallerError(CURSOR_UNKNOWN), and UpstreamError for a list that its server never said."""
        first = read_cursor(call)
        kind, member = LISTS[call.method]
        await self._offer.catalog.refresh(call.endpoint, kind)
        # Both at once: while the list is being filtered, others may come.
        catalog, policy = self._offer.catalog, self._offer.policy
        entries = catalog.entries(call.endpoint, kind)
        failing = catalog.describe(call.endpoint, principal, kind).failing
        if call.endpoint is not None and failing and not entries:
            text = f"server {call.endpoint} is not available"
            raise UpstreamError(Reason.UPSTREAM_UNREACHABLE, call.endpoint, text)
        modern = call.era is Era.MODERN
        shown = await self._shares.run(_visible(policy, principal, entries, modern=modern))
        page, following = self._cut(shown, first)
        tail = MODERN_LIST_TAIL if modern else b""
        if following is not None:
            tail += b',"nextCursor":"' + cursor(call.method, following) + b'"'
        if failing:
            tail += b',"_meta":' + msgspec.json.encode({UNAVAILABLE_META: failing})
        body = b",".join([item.encoded for item in page])
        result = b'{"' + member + b'":[' + body + b"]" + tail + b"}"
        return Reply(result, None, Outcome.OK if page else Outcome.EMPTY)

    def _cut(self, shown: list[Item], first: str | None) -> tuple[list[Item], str | None]:
        """The page that begins with `first`, and with what the next one begins.

        A name and not a number, so that what is added or taken away in between moves nothing. Only what this
        caller sees is looked at: a cursor that somebody made up tells nothing of what is hidden.
        """
        start = 0
        if first is not None:
            found = next((n for n, item in enumerate(shown) if item.exposed == first), None)
            if found is None:
                raise _unknown()
            start = found
        end = start + self._page
        if not self._page or end >= len(shown):
            return shown[start:], None
        return shown[start:end], shown[end].exposed


def cursor(method: str, first: str) -> bytes:
    """Opaque to the caller: base64url of the list and its next item."""
    return base64.urlsafe_b64encode(f"{method}\n{first}".encode())


def read_cursor(call: Call) -> str | None:
    """With which item the page begins that a list is asked for; None for its first page.

    Raises CallerError(CURSOR_UNKNOWN).
    """
    given = call.params.get("cursor")
    if given is None:
        return None
    try:
        if not isinstance(given, str):
            raise _unknown()
        method, _, first = base64.b64decode(given, altchars=b"-_", validate=True).decode().partition("\n")
    except (binascii.Error, ValueError):
        raise _unknown() from None
    if method != call.method:
        raise _unknown()
    return first


def _unknown() -> CallerError:
    return CallerError(Reason.CURSOR_UNKNOWN, "this cursor was not issued here")


def _visible(
    policy: Engine, principal: Principal, entries: Sequence[Entry], *, modern: bool
) -> Generator[None, None, list[Item]]:
    """Those that some call could be permitted for, in their order; pauses now and then."""
    found: list[Item] = []
    for at, entry in enumerate(entries, 1):
        if isinstance(policy.decide(principal, entry.target, None), Allow):
            encoded = entry.encoded(modern=modern)
            if encoded is not None:
                found.append(Item(entry.exposed, encoded))
        if not at % STEP:
            yield
    return found
