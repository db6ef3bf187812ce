"""Takes out of an input what one row of `explained` disputes, and nothing else."""

import re
from collections.abc import Callable

from doorward.edge.limits import Refused
from doorward.edge.reader import RequestReader
from tests.attack.framing import requests, responses


def segments(data: bytes) -> tuple[list[bytes], bytes]:
    """The bytes of each request that we accept, and what follows the last."""
    found, rest = [], data
    while rest:
        reader = RequestReader(requests.LIMITS)
        reader.feed(rest)
        try:
            if reader.next() is None:
                break
        except Refused:
            break
        end = len(rest) - reader.unread
        found.append(rest[:end])
        rest = rest[end:]
    return found, rest


def edit_heads(edit: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    def without(data: bytes) -> bytes:
        whole, rest = segments(data)
        parts = [one.partition(b"\r\n\r\n") for one in (*whole, rest)]
        return b"".join(edit(head + b"\r\n") + b"\r\n" + body if end else head for head, end, body in parts)

    return without


def no_empty_lines(data: bytes) -> bytes:
    whole, rest = segments(data)
    if not rest.startswith(b"\r\n\r"):  # a second one is refused by us as well
        rest = b"" if rest == b"\r" else rest.removeprefix(b"\r\n")
    return b"".join(one.removeprefix(b"\r\n") for one in whole) + rest


def no_h2c(head: bytes) -> bytes:
    if not re.search(rb"\r\nupgrade:[ \t]*h2c[ \t]*\r\n", head, re.IGNORECASE):
        return head
    # A value that nobody may write stays: it is refused whether or not the upgrade is there.
    offer = rb"\r\n(?:upgrade|http2-settings):[\t -~\x80-\xff]*(?=\r\n)"
    head = re.sub(offer, b"", head, flags=re.IGNORECASE)

    def kept(field: "re.Match[bytes]") -> bytes:
        tokens = [token.strip(b" \t") for token in field[1].split(b",")]
        left = [token for token in tokens if token.lower() not in (b"", b"upgrade", b"http2-settings")]
        return b"\r\nConnection: " + b", ".join(left) if left else b""

    return re.sub(rb"\r\nconnection:([^\r]*)(?=\r\n)", kept, head, flags=re.IGNORECASE)


def no_proxy_connection(head: bytes) -> bytes:
    return re.sub(rb"\r\nproxy-connection:[^\r]*(?=\r\n)", b"", head, flags=re.IGNORECASE)


def up_to_http_1_0(data: bytes) -> bytes:
    whole, _ = segments(data)
    for number, one in enumerate(whole, 1):
        if one.removeprefix(b"\r\n").partition(b"\r\n")[0].endswith(b" HTTP/1.0"):
            return re.sub(rb"(?i)keep-alive", b"x", b"".join(whole[:number]))
    return data


_STATUS = re.compile(rb"(HTTP/1\.[01] (\d)\d\d) [^\r\n]*(?=\r\n)")
_SIZE = re.compile(rb"0*([0-9A-Fa-f]+)([^\r\n]*\r\n)")


def heads(data: bytes) -> tuple[list[bytes], bytes]:
    """The heads of an answer, interim ones first, each with the line ends ahead of it; and what follows."""
    found, rest = [], data
    while True:
        end = rest.find(b"\r\n\r\n", len(rest) - len(rest.lstrip(b"\r\n"))) + 4
        begin = _STATUS.match(rest.lstrip(b"\r\n"))
        if end < 4 or begin is None:
            return found, rest
        found.append(rest[:end])
        rest = rest[end:]
        if begin[2] != b"1":
            return found, rest


def no_http_1_0_keep_alive(data: bytes) -> bytes:
    head, end, body = data.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.0 "):
        return data
    return re.sub(rb"\r\nconnection:[^\r]*", b"", head, flags=re.IGNORECASE) + end + body


def plain_reason(data: bytes) -> bytes:
    all_heads, rest = heads(data)
    return b"".join(_STATUS.sub(rb"\1 OK", head, count=1) for head in all_heads) + rest


def short_sizes(data: bytes) -> bytes:
    all_heads, rest = heads(data)
    if not all_heads or b"chunked" not in all_heads[-1].lower():
        return data
    out = all_heads
    while (size := _SIZE.match(rest)) is not None:
        end = size.end() + int(size[1], 16) + 2
        out += [size[1], size[2], rest[size.end() : end]]
        rest = rest[end:]
        if int(size[1], 16) == 0:
            break
    return b"".join(out) + rest


def no_lines_between(data: bytes) -> bytes:
    all_heads, rest = heads(data)
    data = b"".join((*all_heads[:1], *(head.lstrip(b"\r\n") for head in all_heads[1:]), rest))
    seen = responses.doorward([data]).messages
    while data[-1:] in (b"\r", b"\n") and responses.doorward([data[:-1]]).messages == seen:
        data = data[:-1]
    return data
