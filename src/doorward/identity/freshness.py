"""When to ask an issuer for its keys, and for how long the last ones may be used. Pure: a state machine over
a clock that never goes back."""

from typing import Final

import msgspec

from doorward.identity.keyset import KeySet

REFRESH_S: Final = 900.0
"""How old keys get before they are asked for in the background."""
LAST_GOOD_S: Final = 86_400.0
"""How long they are used when the issuer cannot be asked."""
UNKNOWN_KID_S: Final = 10.0
"""How long an unknown `kid` causes no further question: strangers can make up as many as they like."""
_RETRIES_S: Final = (10.0, 20.0, 40.0, 80.0, 160.0, 300.0)


class Freshness(msgspec.Struct, eq=False):
    """Of one issuer's keys. All times are seconds of one monotonic clock."""

    keys: KeySet | None = None
    fetched_at: float | None = None
    asked_at: float | None = None
    """When the last question began, whatever came of it."""
    failure: str | None = None
    """Why the last question brought nothing; None when it did."""
    failures: int = 0
    """In a row."""

    def usable(self, now: float) -> KeySet | None:
        """The last good keys, as long as they may be used."""
        if self.fetched_at is None or now - self.fetched_at > LAST_GOOD_S:
            return None
        return self.keys

    def next_refresh(self, now: float) -> float:
        """In how many seconds to ask again, in the background; 0 when it is time."""
        if self.asked_at is None:
            return 0.0
        if self.failures:
            due = self.asked_at + _RETRIES_S[min(self.failures, len(_RETRIES_S)) - 1]
        else:
            due = self.asked_at + REFRESH_S
        return max(0.0, due - now)

    def may_ask(self, now: float) -> bool:
        """Whether a token that its keys cannot check may cause a question now."""
        return self.asked_at is None or now - self.asked_at >= UNKNOWN_KID_S

    def begin(self, now: float) -> None:
        """A question begins."""
        self.asked_at = now

    def succeeded(self, keys: KeySet, now: float) -> bool:
        """Keep `keys`. True when a key that could be used before is not among them: what it signed counts no
        more."""
        before = set() if self.keys is None else {key.thumbprint for key in self.keys.all()}
        self.keys, self.fetched_at, self.failure, self.failures = keys, now, None, 0
        return not before <= {key.thumbprint for key in keys.all()}

    def failed(self, why: str) -> None:
        """Keep what there is."""
        self.failure = why
        self.failures += 1
