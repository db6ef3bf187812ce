"""What is on record of a hold and of its end."""

from typing import Any

import msgspec

from doorward.audit.records import CLIP, MARK, Actor, Change, decode
from doorward.control.holds import record_hold, record_release

ME = Actor("me", "cli")


class Changes:
    """The verb of a store that is used here."""

    def __init__(self) -> None:
        self.found: list[bytes] = []

    def add_change(self, change: bytes) -> None:
        self.found.append(change)

    def after(self) -> list[dict[str, Any] | None]:
        return [each.after for line in self.found if isinstance(each := decode(line), Change)]


def test_each_is_a_change_of_the_log() -> None:
    store = Changes()
    record_hold(store, reason="case 7", actor=ME, now=1.5)  # type: ignore[arg-type]
    record_release(store, reason="", actor=ME, now=2.0)  # type: ignore[arg-type]
    members = [msgspec.json.decode(line) for line in store.found]
    assert [(each["action"], each["object"], each["ts"]) for each in members] == [
        ("audit:hold", "log", 1500),
        ("audit:release", "log", 2000),
    ]
    assert store.after() == [{"held": True, "reason": "case 7"}, {"held": False}]
    assert members[0]["actor"]["subject"] == "me"


def test_a_long_reason_is_clipped() -> None:
    store = Changes()
    record_hold(store, reason="x" * 10_000, actor=ME, now=1.0)  # type: ignore[arg-type]
    [after] = store.after()
    assert after is not None
    assert after["reason"] == "x" * (CLIP - 1) + MARK
