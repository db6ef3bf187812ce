"""What an upstream's object costs to take apart is bounded, whatever it is made of."""

import msgspec
import pytest

from doorward.wire.errors import WireError
from doorward.wire.members import MAX_OTHERS, members_of


@pytest.mark.spec("DW-012")
def test_members_are_raw_and_in_their_order() -> None:
    members = members_of(b'{"b": [1, 2],"a":"\\u0041"}')
    assert {name: bytes(raw) for name, raw in members.items()} == {"b": b"[1, 2]", "a": b'"\\u0041"'}
    assert list(members) == ["b", "a"]


@pytest.mark.spec("DW-012")
@pytest.mark.parametrize("name", ["result", "structuredContent", "_meta", "error", "contents"])
def test_what_the_protocol_defines_may_be_of_any_size(name: str) -> None:
    assert len(members_of(b'{"%b":[%b],"x":1}' % (name.encode(), b"1," * 500_000 + b"1"))) == 2


@pytest.mark.spec("DW-006")
def test_many_unknown_members_are_refused() -> None:
    def many(count: int) -> bytes:
        return b'{"content":[%b],%b}' % (
            b"1," * 50_000 + b"1",
            b",".join(b'"%x":1' % n for n in range(count)),
        )

    assert len(members_of(many(1000))) == 1001
    with pytest.raises(WireError, match=f"more than {MAX_OTHERS} bytes"):
        members_of(many(100_000))


@pytest.mark.spec("DW-012")
@pytest.mark.parametrize("text", [b"[]", b"1", b"{", b"[" + b"1," * 50_000 + b"1]"])
def test_what_is_no_object_is_no_object(text: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        members_of(text)
