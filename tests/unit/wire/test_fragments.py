"""The bounds of a text that is judged by fragments; that its verdicts are right is shown in test_slices."""

import pytest

from doorward.model.errors import CallerError
from doorward.model.reasons import Reason
from doorward.wire import fragments, slices, strict

pytestmark = pytest.mark.spec("DW-006")


def refusal(text: bytes) -> str:
    with pytest.raises(CallerError) as caught:
        for _ in slices.check(text):
            pass
    assert caught.value.reason is Reason.INVALID_REQUEST
    return str(caught.value)


def passes(text: bytes) -> None:
    assert list(slices.check(text))


def members(count: int) -> bytes:
    return b",".join(b'"%x":1' % number for number in range(count))


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_depth_is_bounded_exactly(opening: bytes, closing: bytes) -> None:
    def at(levels: int) -> bytes:
        return b"[%b,%b1%b]" % (b"0," * 9000 + b"0", opening * levels, closing * levels)

    passes(at(strict.MAX_DEPTH - 1))
    assert "nested deeper" in refusal(at(strict.MAX_DEPTH))


def test_depth_without_end_is_refused_before_it_is_read_to_its_end() -> None:
    steps = slices.check(b"[" * 4_000_000)
    with pytest.raises(CallerError, match="nested deeper"):
        next(steps)


def test_members_of_one_object_are_bounded() -> None:
    inner = b'{"jsonrpc":{"params":{"arguments":{%b}}}}'
    passes(inner % members(fragments.MAX_NAMES))
    assert f"more than {fragments.MAX_NAMES} members" in refusal(inner % members(fragments.MAX_NAMES + 1))


@pytest.mark.parametrize("around", [b"{%b}", b'{"params":{%b}}', b'{"params":{"arguments":{%b}}}'])
def test_outer_objects_have_few_members(around: bytes) -> None:
    passes(around % members(fragments.MAX_OUTER_NAMES))
    assert "more than 4096 members" in refusal(around % members(fragments.MAX_OUTER_NAMES + 1))


@pytest.mark.parametrize("number", [b"1e300", b"1.5E-300", b"2e+0260", b"-4.9e-324"])
def test_costly_numbers_are_counted(number: bytes) -> None:
    passes(b"[%b]" % b",".join([number] * fragments.MAX_EXTREMES))
    assert "exponent of 250" in refusal(b"[%b]" % b",".join([number] * (fragments.MAX_EXTREMES + 1)))


def test_other_numbers_are_not() -> None:
    rows = b'{"ok":true,"not":false,"size":1.25e-17,"text":"1e300,1e300"}'
    passes(b"[%b]" % b",".join([rows] * 2000))


def test_a_number_without_end_is_refused() -> None:
    assert "too large" in refusal(b"[0.%b]" % (b"1" * 2_000_000))
    assert "too large" in refusal(b"[%b]" % (b"9" * (strict.MAX_DIGITS + 1)))
    with pytest.raises(CallerError) as caught:
        fragments.bound_stretch(b"x" * 100_000)
    assert caught.value.reason is Reason.PARSE_ERROR


def test_more_arrays_and_objects_than_could_be_built_at_once() -> None:
    """A table of 4 MB holds more of them than `strict` would build."""
    rows = [b'{"id":%d,"tags":["a"]}' % n for n in range(strict.MAX_CONTAINERS)]
    passes(b"[%b]" % b",".join(rows))
