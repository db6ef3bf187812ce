"""Implements ports.Fetch with httpx2.

What is asked here decides who is let in, so it goes to the very URL that was named (no redirect, no proxy or
credential of our environment), over TLS that is checked or to this machine, and an answer has a size and a
time to keep to.
"""

import asyncio
import base64
import ssl
from collections.abc import Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Final
from urllib.parse import quote_plus

import httpx2

from doorward.ports.fetch import Basic, Fetched, FetchFailed

TIMEOUT_S: Final = 5.0
"""For everything, from finding the address to the last byte."""
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_LIMITS: Final = httpx2.Limits(max_connections=64, max_keepalive_connections=8, keepalive_expiry=30.0)


class _Trust:
    """A client that trusts some authorities, closed once it is not used any more."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self.client = client
        self._users = 0
        self._retired = False

    async def __aenter__(self) -> httpx2.AsyncClient:
        self._users += 1
        return self.client

    async def __aexit__(self, *_failed: object) -> None:
        self._users -= 1
        await self._close()

    async def retire(self) -> None:
        """Whoever is in the middle of a question gets its answer."""
        self._retired = True
        await self._close()

    async def _close(self) -> None:
        if self._retired and not self._users:
            await self.client.aclose()


class WebFetch:
    """One for a process. Belongs to the event loop in which it is first asked."""

    def __init__(self) -> None:
        self._trusts: dict[str | None, _Trust] = {}
        self._making = asyncio.Lock()

    async def get(self, url: str, *, most: int, ca: str | None = None) -> Fetched:
        """See ports.Fetch."""
        return await self._ask("GET", url, most, ca, fields={})

    async def post(
        self,
        url: str,
        form: Mapping[str, str],
        *,
        most: int,
        ca: str | None = None,
        basic: Basic | None = None,
    ) -> Fetched:
        """See ports.Fetch."""
        fields = {} if basic is None else {"authorization": _basic(basic)}
        return await self._ask("POST", url, most, ca, fields=fields, form=dict(form))

    async def close(self) -> None:
        """See ports.Fetch."""
        trusts, self._trusts = [*self._trusts.values()], {}
        for trust in trusts:
            await trust.retire()

    async def _ask(
        self,
        method: str,
        url: str,
        most: int,
        ca: str | None,
        *,
        fields: dict[str, str],
        form: dict[str, Any] | None = None,
    ) -> Fetched:
        _check(url)
        fields |= {"accept": "application/json", "accept-encoding": "identity"}
        try:
            async with asyncio.timeout(TIMEOUT_S):
                trust = await self._trust(ca)
                async with trust as client, client.stream(method, url, headers=fields, data=form) as answer:
                    return await _read(answer, most)
        except TimeoutError:
            raise FetchFailed(f"no complete answer within {TIMEOUT_S:g} s") from None
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
            await self._renew(ca)
            # Of the exception's text some may be the peer's; its kind says what to look at.
            raise FetchFailed(f"it cannot be asked ({type(error).__name__})") from None

    async def _trust(self, ca: str | None) -> _Trust:
        async with self._making:
            if ca not in self._trusts:
                context = await asyncio.to_thread(_context, ca)
                client = httpx2.AsyncClient(
                    verify=context,
                    trust_env=False,
                    follow_redirects=False,
                    cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
                    limits=_LIMITS,
                    timeout=TIMEOUT_S,
                )
                self._trusts[ca] = _Trust(client)
            return self._trusts[ca]

    async def _renew(self, ca: str | None) -> None:
        """Read the authorities again before the next question: they may be why this one failed."""
        if ca is not None and (trust := self._trusts.pop(ca, None)) is not None:
            await trust.retire()


def _check(url: str) -> None:
    try:
        parts = httpx2.URL(url)
    except (httpx2.InvalidURL, ValueError):
        raise FetchFailed("this is no URL") from None
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.host in _LOOPBACK):
        raise FetchFailed("this URL is neither https nor on this machine")


def _context(ca: str | None) -> ssl.SSLContext:
    """Takes tens of milliseconds. Raises OSError, ssl.SSLError."""
    context = ssl.create_default_context(cafile=ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _basic(basic: Basic) -> str:
    """RFC 6749 section 2.3.1: both are form-encoded before they are joined."""
    joined = f"{quote_plus(basic.client_id)}:{quote_plus(basic.client_secret)}"
    return "Basic " + base64.b64encode(joined.encode("ascii")).decode("ascii")


async def _read(answer: httpx2.Response, most: int) -> Fetched:
    if answer.headers.get("content-encoding", "identity") != "identity":
        raise FetchFailed("the answer is encoded, which was not asked for")
    body = bytearray()
    async for chunk in answer.aiter_raw():
        body += chunk
        if len(body) > most:
            raise FetchFailed(f"the answer is larger than {most} bytes")
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    return Fetched(answer.status_code, bytes(body), kind)
