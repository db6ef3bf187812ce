"""Memory that peers make us keep: bounded for all of them together and for each of them."""

from typing import Final

from doorward.edge.limits import Refusal


class Shares:
    """Bytes of one kind, by whose share they count against. One per server and kind."""

    __slots__ = ("_all", "_each", "_excess", "_of", "_total", "_total_excess")

    def __init__(self, total: int, each: int, *, excess: tuple[Refusal, Refusal]) -> None:
        """`excess` names what is too much: of all together, and of one."""
        self._total: Final = total
        self._each: Final = each
        self._total_excess, self._excess = excess
        self._all = 0
        self._of: dict[str, int] = {}

    @property
    def held(self) -> int:
        """Bytes of all together."""
        return self._all

    def of(self, share: str) -> int:
        """Bytes of one."""
        return self._of.get(share, 0)

    def move(self, share: str | None, more: int) -> Refusal | None:
        """Count bytes in, or out when `more` is negative; the reason when there are too many now.

        They are counted either way: whoever was told that it is too much counts them out again when it lets
        go of them. Without a share only the bound of all together holds.
        """
        self._all += more
        if share is not None:
            own = self._of.get(share, 0) + more
            if own > 0:
                self._of[share] = own
            else:
                self._of.pop(share, None)
        return self.excess(share) if more > 0 else None

    def excess(self, share: str | None) -> Refusal | None:
        """Why nothing more may be kept for this one, if so."""
        if self._all > self._total:
            return self._total_excess
        return self._excess if share is not None and self.of(share) > self._each else None
