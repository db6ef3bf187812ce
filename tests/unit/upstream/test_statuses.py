"""Statuses as reasons, and what a server may tell an operator by them."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.model.reasons import Reason
from doorward.upstream.failure import again
from doorward.upstream.h1 import Response
from doorward.upstream.statuses import CHALLENGE, LONGEST_RETRY_S, challenge, meaning, retry_after

NOON = 1_795_262_400.0  # Sat, 21 Nov 2026 12:00:00 GMT


def response(status: int, kind: bytes = b"text/html", **headers: bytes) -> Response:
    return Response(status, {name.replace("_", "-").encode(): value for name, value in headers.items()}, kind)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"7", 7),
        (b" 0 ", 0),
        (b"86401", LONGEST_RETRY_S),
        (b"9" * 5000, LONGEST_RETRY_S),
        (b"Sat, 21 Nov 2026 12:00:30 GMT", 30),
        (b"Sat, 21 Nov 2026 11:00:00 GMT", 0),
        (b"Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_RETRY_S),
        (b"Saturday, 21-Nov-26 12:00:30 GMT", 30),
        (b"-5", None),
        (b"1.5", None),
        (b"soon", None),
        (b"", None),
        ("٣".encode(), None),
    ],
)
def test_retry_after(value: bytes, seconds: int | None) -> None:
    assert retry_after(value, NOON) == seconds


@given(st.binary(max_size=60))
def test_retry_after_is_a_bounded_number_or_nothing(value: bytes) -> None:
    seconds = retry_after(value, NOON)
    assert seconds is None or 0 <= seconds <= LONGEST_RETRY_S


@pytest.mark.spec("DW-289")
@pytest.mark.parametrize("status", [429, 503])
def test_an_overloaded_server_s_wish_is_data_of_the_error(status: int) -> None:
    error = meaning("lab", response(status, retry_after=b"7"))
    assert (error.reason, error.data) == (Reason.UPSTREAM_OVERLOADED, {"retry_after": 7})
    assert meaning("lab", response(status)).data is None
    assert again(error, error.reason).data == {"retry_after": 7}


def test_a_date_counts_from_now() -> None:
    at = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 100)).encode()
    data = meaning("lab", response(503, retry_after=at)).data
    assert data is not None
    assert 95 <= data["retry_after"] <= 101


@pytest.mark.spec("DW-285")
def test_a_challenge_is_for_the_operator_and_not_for_the_caller() -> None:
    said = b'Bearer realm="x", error="invalid_token", scope="mcp:read mcp:write", resource_metadata="https://a/b"'
    error = meaning("lab", response(401, www_authenticate=said))
    assert error.message == "server lab did not accept our credentials (HTTP 401)"
    assert error.data is None
    (note,) = error.__notes__
    assert note == CHALLENGE + "error=invalid_token, scope=mcp:read mcp:write, resource_metadata=https://a/b"
    assert not hasattr(meaning("lab", response(403)), "__notes__")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (b"Bearer scope=one", "scope=one"),
        (b'Bearer SCOPE = "a \\"b\\""', 'scope=a "b"'),
        (b'Bearer scope="a", scope="b"', "scope=a"),
        (b'Bearer scope="\x1b[31mred\xff"', "scope=?[31mred?"),
        (b'Bearer scope="' + b"x" * 500 + b'"', "scope=" + "x" * 300),
        (b'Bearer scope="never closed', ""),
        (b"Basic realm=x", ""),
        (b"", ""),
    ],
)
def test_a_challenge_is_bounded_and_visible(value: bytes, said: str) -> None:
    assert challenge(value) == said


@given(st.binary(max_size=200).map(lambda data: b'Bearer scope="' + data))
def test_no_challenge_breaks_a_terminal(value: bytes) -> None:
    said = challenge(value)
    assert said.isascii()
    assert said == "" or said.isprintable()


def test_a_hostile_challenge_costs_little() -> None:
    value = b'a="' * 10_000
    began = time.process_time()
    challenge(value)
    assert time.process_time() - began < 0.05


@pytest.mark.spec("DW-284")
@pytest.mark.parametrize(
    ("status", "reason", "words"),
    [
        (407, Reason.UPSTREAM_UNREACHABLE, "the proxy"),
        (307, Reason.UPSTREAM_HTTP_ERROR, "never followed"),
        (204, Reason.UPSTREAM_PROTOCOL_ERROR, "without answering"),
        (500, Reason.UPSTREAM_HTTP_ERROR, "HTTP 500 with text/html"),
    ],
)
def test_other_statuses(status: int, reason: Reason, words: str) -> None:
    error = meaning("lab", response(status))
    assert error.reason is reason
    assert words in error.message


def test_a_content_type_is_shown_as_far_as_it_can_be() -> None:
    assert meaning("lab", response(500, b"")).message.endswith("with no content type")
    assert meaning("lab", response(500, b"\x1b[2J" + b"x" * 500)).message.endswith("?[2J" + "x" * 96)


@pytest.mark.parametrize(
    ("status", "redirects"), [(301, True), (303, True), (308, True), (304, False), (306, False), (399, False)]
)
def test_only_what_names_another_place_is_called_a_redirect(status: int, redirects: bool) -> None:
    error = meaning("lab", response(status))
    assert error.reason is Reason.UPSTREAM_HTTP_ERROR
    assert ("configure its final URL" in error.message) is redirects
    assert str(status) in error.message
