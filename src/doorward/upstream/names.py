"""Names of servers as addresses, looked up off the event loop and remembered for a while.

`getaddrinfo` honours the machine's own configuration (hosts file, resolver, RFC 6724 order) and says nothing
of a time-to-live, so that is ours.
"""

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Callable
from itertools import chain, zip_longest
from typing import Any, Final, Literal

import msgspec

FAILURE_TTL_S: Final = 1.0
"""A name that could not be found is not asked for again at once; `ttl_s` where that is less."""

Prefer = Literal["system", "ipv4", "ipv6"]
"""Which family is tried first: as the system sorts them, or one of the two."""
Found = list[tuple[Any, Any, int, str, Any]]
"""What `socket.getaddrinfo` returns."""


class Endpoint(msgspec.Struct, frozen=True):
    """One address to connect to."""

    family: int
    address: tuple[Any, ...]
    """As `socket.connect` takes it."""


class Names:
    """Belongs to the running loop. One lookup of a name at a time, whoever wants it."""

    def __init__(
        self,
        ttl_s: float = 30.0,
        prefer: Prefer = "system",
        lookup: Callable[..., Found] = socket.getaddrinfo,
    ) -> None:
        self._ttl_s = ttl_s
        self._prefer = prefer
        self._lookup = lookup
        self._loop = asyncio.get_running_loop()
        self._known: dict[tuple[str, int], tuple[float, tuple[Endpoint, ...] | OSError]] = {}
        self._asking: dict[tuple[str, int], asyncio.Future[None]] = {}

    async def resolve(self, host: str, port: int) -> tuple[Endpoint, ...]:
        """At least one endpoint, in the order in which they should be tried. Raises OSError."""
        literal = _literal(host, port)
        if literal is not None:
            return (literal,)
        key = (host, port)
        known = self._fresh(key)
        if known is None:
            await asyncio.shield(self._ask(key))
            known = self._known[key][1]
        if isinstance(known, OSError):
            raise type(known)(*known.args)  # one that several raise would collect all their tracebacks
        return known

    def _fresh(self, key: tuple[str, int]) -> tuple[Endpoint, ...] | OSError | None:
        at, known = self._known.get(key, (0.0, None))
        if known is None:
            return None
        ttl = min(FAILURE_TTL_S, self._ttl_s) if isinstance(known, OSError) else self._ttl_s
        return known if self._loop.time() - at < ttl else None

    def _ask(self, key: tuple[str, int]) -> asyncio.Future[None]:
        """In a thread of its own: those of a pool would all hang on one dead resolver, and delay our end."""
        asking = self._asking.get(key)
        if asking is None:
            asking = self._asking[key] = self._loop.create_future()
            threading.Thread(target=self._look_up, args=(key,), name="doorward-dns", daemon=True).start()
        return asking

    def _look_up(self, key: tuple[str, int]) -> None:
        """Runs in the thread."""
        host, port = key
        heard: Found | OSError
        try:
            heard = self._lookup(host, port, type=socket.SOCK_STREAM)
        except UnicodeError:  # of the idna codec: an empty or overlong label
            heard = socket.gaierror(socket.EAI_NONAME, "this cannot be a host name")
        except OSError as error:
            heard = error.with_traceback(None)
        try:
            self._loop.call_soon_threadsafe(self._heard, key, heard)
        except RuntimeError:
            return  # the loop is closed: nobody waits any more

    def _heard(self, key: tuple[str, int], heard: Found | OSError) -> None:
        known: tuple[Endpoint, ...] | OSError
        if isinstance(heard, OSError):
            known = heard
        else:
            known = in_order(heard, self._prefer)
        if known == ():
            known = socket.gaierror(socket.EAI_NONAME, "the name has no address")
        self._known[key] = (self._loop.time(), known)
        asking = self._asking.pop(key)
        if not asking.done():
            asking.set_result(None)


def in_order(found: Found, prefer: Prefer) -> tuple[Endpoint, ...]:
    """Families take turns (RFC 8305 section 4), so that one that is broken costs one attempt, not all."""
    endpoints = dict.fromkeys(
        Endpoint(int(family), tuple(address))
        for family, _, _, _, address in found
        if family in (socket.AF_INET, socket.AF_INET6)
    )
    if not endpoints:
        return ()
    wanted = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}
    first = wanted.get(prefer, next(iter(endpoints)).family)
    ours = [one for one in endpoints if one.family == first]
    others = [one for one in endpoints if one.family != first]
    turns = chain.from_iterable(zip_longest(ours, others))
    return tuple(one for one in turns if one is not None)


def _literal(host: str, port: int) -> Endpoint | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    if address.version == 4:
        return Endpoint(socket.AF_INET, (str(address), port))
    if address.scope_id is not None:
        return None  # an interface by name: for getaddrinfo
    return Endpoint(socket.AF_INET6, (str(address), port, 0, 0))
