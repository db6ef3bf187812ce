"""Fuzz targets of `doorward.edge`: a request is the same request however its bytes are cut and whatever came
before it on the connection, and other parsers agree.

Inputs: one byte that chooses cuts, then the stream; RS (0x1e) in it stands for the end of one piece.
"""

import random
from itertools import pairwise

from doorward.edge.limits import Refused
from doorward.edge.reader import Awaits, RequestReader
from tests.attack.framing import corpus, judge, requests
from tests.attack.framing.view import End, Message, View, difference, fields
from tests.fuzz.engine import Differential, Target

CUT = b"\x1e"
MAX_SINGLE = 400
"""Longer streams are not fed byte by byte."""


def cuts(data: bytes, seed: int) -> list[bytes]:
    """The same bytes in up to five pieces that follow from the seed; for every eighth seed one by one."""
    if seed % 8 == 0 and len(data) <= MAX_SINGLE:
        return [data[i : i + 1] for i in range(len(data))]
    chance = random.Random(seed)
    marks = sorted({0, len(data), *(chance.randint(0, len(data)) for _ in range(4))})
    return [data[a:b] for a, b in pairwise(marks)]


def memoryless(stream: bytes) -> View:
    """Every request read by a reader that has seen nothing else: the slow way, whatever the fast ones are."""
    seen: list[Message] = []
    rest = stream
    while True:
        reader = RequestReader(requests.LIMITS)
        reader.feed(rest)
        try:
            found = reader.next() if rest else None
        except Refused as refused:
            return View(tuple(seen), End.REFUSED, refused.reason.value)
        if found is None:
            # An empty line ahead of a request that has not begun is where the connection waits as well.
            return View(tuple(seen), End.OPEN if reader.awaits is Awaits.NOTHING else End.PARTIAL)
        head, body = found
        start = (head.method, head.target, b"%d.%d" % head.version)
        seen.append(Message(start, fields(head.headers.items()), body))
        if not head.keep_alive:
            return View(tuple(seen), End.CLOSED)
        rest = rest[len(rest) - reader.unread :]


def fuzz_edge(data: bytes) -> None:
    seed, stream = data[0] if data else 0, data[1:]
    given = [piece for piece in stream.split(CUT) if piece]
    stream = b"".join(given)
    slow = memoryless(stream)
    for pieces in ([stream], given, cuts(stream, seed)):
        assert requests.doorward(pieces if stream else []) == slow


def fuzz_edge_peers(data: bytes) -> None:
    ours = requests.doorward([data] if data else [])
    for peer, ask in judge.EDGE.peers.items():
        text = difference(ours, ask(data))
        if text is not None and judge.reasons(judge.EDGE, data, peer, ask) is None:
            raise Differential(f"{peer}: {text[:60]}")


POST = b"POST /mcp HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
ONE, TWO, LONG = (POST % (len(body), body) for body in (b"{}", b"[1,2]", b"x" * 120))
CHUNKED = corpus.chunked(b"3\r\nabc\r\n00A\r\n0123456789\r\n0\r\nX: y\r\n\r\n", b"")
H2C = (
    b"POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
    b"HTTP2-Settings: AA\r\nContent-Length: 2\r\n\r\nok"
)
STREAMS = (
    CUT.join((ONE, TWO, ONE, LONG)),
    CUT.join(
        (ONE, ONE.replace(b": 2", b": 02"), ONE.replace(b"Content-Length: 2", b"content-length:2"), TWO)
    ),
    CUT.join((corpus.SECOND, corpus.SECOND, b"\r\n", corpus.SECOND)),
    CUT.join((CHUNKED, CHUNKED, ONE, CHUNKED)),
    CUT.join((H2C, ONE, H2C)),
    CUT.join((H2C, ONE, H2C.replace(b"AA", b"\0AA"))),
    CUT.join((ONE.replace(b"HTTP/1.1", b"HTTP/1.0\r\nConnection: keep-alive"), ONE)),
    CUT.join((ONE.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"), ONE)),
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" + ONE,
    b"OPTIONS * HTTP/1.1\r\nHost: [::1]:80\r\nX: a\r\nx: b\r\n\r\n",
    ONE + b"\n" + ONE,
)
WORDS = (
    *(b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\0", b" ", b"\t", b":", b",", b";", b"\xff", CUT),
    *(b"HTTP/1.1", b"HTTP/1.0", b"GET", b"POST", b"CONNECT", b"*", b"/", b"http://a/"),
    *(
        b"Content-Length: ",
        b"Transfer-Encoding: chunked",
        b"Host: a",
        b"Connection: ",
        b"Expect: 100-continue",
    ),
    *(
        b"close",
        b"keep-alive",
        b"Upgrade: h2c",
        b"HTTP2-Settings: ",
        b"0\r\n\r\n",
        b"5\r\nhello\r\n",
        b"0005",
    ),
)

TARGETS = (
    Target(
        "edge", fuzz_edge, tuple(cut + one for one in STREAMS for cut in (b"\7", b"\0")), WORDS, guided=True
    ),
    Target(
        "edge_peers",
        fuzz_edge_peers,
        (*(one.replace(CUT, b"") for one in STREAMS), *corpus.corpus()[::50]),
        WORDS,
        guided=True,
    ),
)
