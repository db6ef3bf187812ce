import pytest

from doorward.upstream.address import Address, parse_url


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://127.0.0.1:8000/mcp?a=b", Address(False, "127.0.0.1", 8000, b"127.0.0.1:8000", b"/mcp?a=b")),
        ("https://Example.com", Address(True, "example.com", 443, b"example.com", b"/")),
        ("http://[::1]:9/x", Address(False, "::1", 9, b"[::1]:9", b"/x")),
    ],
)
def test_a_url_is_taken_apart(url: str, address: Address) -> None:
    assert parse_url(url) == address


@pytest.mark.parametrize(
    "url",
    [
        "ftp://x/",
        "http:///x",
        "x",
        "http://u:p@x/",
        "http://x/#f",
        "http://x/\r\nHost: y",
        "http://x/a b",
        "http://x/ä",
    ],
)
def test_what_is_no_endpoint_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="server's url"):
        parse_url(url)
