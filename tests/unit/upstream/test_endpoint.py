"""Which endpoints of a legacy event stream are used: those of the stream's own origin."""

import pytest

from doorward.upstream.endpoint import MAX_ENDPOINT, message_target

URL = "http://tools.example:8080/mcp/sse?tenant=7"


@pytest.mark.parametrize(
    ("said", "target"),
    [
        ("/messages?session_id=1", b"/messages?session_id=1"),
        ("messages/?s=1", b"/mcp/messages/?s=1"),
        ("?s=1", b"/mcp/sse?s=1"),
        ("../m", b"/m"),
        ("http://tools.example:8080/m", b"/m"),
        ("HTTP://TOOLS.example:8080", b"/"),
        ("//tools.example:8080/m", b"/m"),
        ("/\\other.example/m", b"/\\other.example/m"),
    ],
)
def test_one_of_the_same_origin_is_a_target_there(said: str, target: bytes) -> None:
    assert message_target(URL, said) == target


def test_a_default_port_may_be_written_or_not() -> None:
    assert message_target("https://tools.example/sse", "https://tools.example:443/m") == b"/m"


@pytest.mark.spec("DW-166")
@pytest.mark.parametrize(
    "said",
    [
        "http://tools.example/m",
        "http://tools.example:8081/m",
        "https://tools.example:8080/m",
        "http://tools.example.evil:8080/m",
        "//evil:8080/m",
        "http://evil:8080/tools.example",
    ],
)
def test_another_origin_is_refused(said: str) -> None:
    with pytest.raises(ValueError, match=r"another origin|no usable endpoint"):
        message_target(URL, said)


@pytest.mark.parametrize(
    "said",
    [
        "",
        "/" + "x" * MAX_ENDPOINT,
        "http://user@tools.example:8080/m",
        "/m#part",
        "/m m",
        "/ü",
        "javascript:alert(1)",
        "http://tools.example:x/m",
        "http://[::1/m",
    ],
)
def test_what_is_no_endpoint_is_refused(said: str) -> None:
    with pytest.raises(ValueError, match="no usable endpoint"):
        message_target(URL, said)
