"""A bounded memory in two generations: what is asked for again stays, the oldest generation goes at once."""

from typing import Generic, TypeVar

T = TypeVar("T")


class Remembered(Generic[T]):
    """At most `limit` entries (at least 2). Every verb takes the same time however many there are.

    When the younger generation is full, the older one is dropped and the younger takes its place: whoever
    floods it with strangers pushes out what nobody asked for, not what is in use.
    """

    __slots__ = ("_half", "_old", "_young")

    def __init__(self, limit: int) -> None:
        self._half = max(1, limit // 2)
        self._young: dict[bytes, T] = {}
        self._old: dict[bytes, T] = {}

    def get(self, key: bytes) -> T | None:
        found = self._young.get(key)
        if found is None and self._old:
            found = self._old.get(key)
            if found is not None:
                self.put(key, found)
        return found

    def put(self, key: bytes, value: T) -> None:
        self._old.pop(key, None)
        if len(self._young) >= self._half and key not in self._young:
            self._old, self._young = self._young, {}
        self._young[key] = value

    def drop(self, key: bytes) -> None:
        """Whether or not it is there."""
        self._young.pop(key, None)
        self._old.pop(key, None)

    def clear(self) -> None:
        self._young, self._old = {}, {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)
