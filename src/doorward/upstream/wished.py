"""Who wants to hear of what from one server, and whose a change is. Pure, by holder and by URI."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from doorward.ports.watched import Wish

DEPTH: Final = 32
"""Segments of a path that are taken off to find what was subscribed to."""
_DOTS: Final = re.compile(r"/(?:\.|%2e){1,2}(?:/|\Z)", re.IGNORECASE).search


class Wished:
    """Wishes by holder."""

    def __init__(self, key_of: Callable[[str | None, str], str | None]) -> None:
        """`key_of`: whose conversation hears for a session and its owner."""
        self._key_of = key_of
        self.by_holder: dict[str, Wish] = {}
        self._by_uri: dict[str, set[str]] = {}
        """Holders by the server's own URIs."""
        self._text: Counter[str] = Counter()
        """Characters of what is subscribed to, by owner."""

    def change(self, holder: str, wish: Wish | None) -> bool:
        """Take a wish in place of the one before. False when there is none, and was none."""
        before = self.by_holder.pop(holder, None)
        self._weigh(before, -1)
        self._weigh(wish, 1)
        for uri in before.uris if before is not None else ():
            self._by_uri[uri].discard(holder)
            if not self._by_uri[uri]:
                del self._by_uri[uri]
        if wish is None or not (wish.uris or wish.lists):
            return before is not None
        self.by_holder[holder] = wish
        for uri in wish.uris:
            self._by_uri.setdefault(uri, set()).add(holder)
        return True

    def _weigh(self, wish: Wish | None, sign: int) -> None:
        if wish is not None and wish.uris:
            self._text[wish.owner] += sign * sum(map(len, wish.uris))
            if not self._text[wish.owner]:
                del self._text[wish.owner]

    def text(self, owner: str) -> int:
        """Characters of all that one owner has subscribed to."""
        return self._text[owner]

    @property
    def lists(self) -> bool:
        """Whether anybody wants to hear of changes of lists."""
        return any(wish.lists for wish in self.by_holder.values())

    def key(self, wish: Wish) -> str | None:
        """Whose conversation hears of it."""
        return self._key_of(wish.session, wish.owner)

    def needed(self, key: str | None) -> Sequence[Mapping[str, str]]:
        """The URIs of each wish that the conversation `key` hears for."""
        return [wish.uris for wish in self.by_holder.values() if wish.uris and self.key(wish) == key]

    def holders(self, key: str | None, uri: str) -> list[tuple[str, str]]:
        """Who is told of a change of `uri` that was heard in the conversation `key`, and how they call it.

        A server may name a sub-resource of what was subscribed to (MCP, `ResourceUpdatedNotification`).
        """
        found: dict[str, str] = {}
        for subscribed, below in _above(uri):
            for holder in self._by_uri.get(subscribed, ()):
                wish = self.by_holder[holder]
                if key is None or self.key(wish) == key:
                    found.setdefault(
                        holder, wish.uris[subscribed].rstrip("/") + below if below else wish.uris[uri]
                    )
        return sorted(found.items())


def _above(uri: str) -> Iterator[tuple[str, str]]:
    """The URI itself, then those above it, each with what is below it: paths only, at most DEPTH of them.

    With dot segments (RFC 3986 section 5.2.4) nobody can say what a path is below of.
    """
    yield uri, ""
    if _DOTS(uri) is not None:
        return
    end = len(uri)
    for _ in range(DEPTH):
        end = uri.rfind("/", 0, end)
        if end <= 0:
            return
        yield uri[: end + 1], uri[end:]
        yield uri[:end], uri[end:]
