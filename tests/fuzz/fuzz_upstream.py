"""Fuzz targets of `doorward.upstream.h1`: an answer is the same however its bytes are cut and whatever came
before it on the connection, and other parsers agree.

Inputs: one byte that chooses cuts, then answers to one request each, which GS (0x1d) keeps apart.
"""

from tests.attack.framing import corpus_responses, judge, responses
from tests.attack.framing.view import End, View, difference
from tests.fuzz.engine import Differential, Target
from tests.fuzz.fuzz_edge import cuts

NEXT = b"\x1d"


def _told(view: View) -> tuple[object, ...]:
    """All that must not depend on cuts and history. Of a head that came before the length is not kept."""
    messages = [
        (one.start, [field for field in one.fields if field[0] != b"content-length"], one.body)
        for one in view.messages
    ]
    return messages, view.end


def _same(view: View, other: View, data: bytes) -> bool:
    if _told(view) == _told(other):
        return True
    # A line end behind an answer is skipped when it comes with it; coming later it ends the connection.
    late = {view.end, other.end} == {End.OPEN, End.CLOSED} and data[-1:] in (b"\r", b"\n")
    return late and view.messages == other.messages


def fuzz_answers(data: bytes) -> None:
    seed, answers = data[0] if data else 0, data[1:].split(NEXT)
    used = responses.connection()
    for answer in answers:
        fresh = responses.connection()
        slow = responses.exchange(fresh, [answer] if answer else [], eof=False)
        pieces = [one for one in cuts(answer, seed) if one]
        assert _same(slow, responses.exchange(responses.connection(), pieces, eof=False), answer)
        assert _told(responses.exchange(used, [answer] if answer else [], eof=False)) == _told(slow)
        assert used.clean is fresh.clean
        if not used.clean:
            return


def fuzz_answer_peers(data: bytes) -> None:
    ours = responses.doorward([data] if data else [])
    for peer, ask in judge.UPSTREAM.peers.items():
        text = difference(ours, ask(data))
        if text is not None and judge.reasons(judge.UPSTREAM, data, peer, ask) is None:
            raise Differential(f"{peer}: {text[:60]}")


JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
ONE, TWO, LONG = (JSON % (len(body), body) for body in (b"{}", b"[1,2]", b"x" * 120))
CHUNKED = corpus_responses.chunked(b"3\r\nabc\r\n00A\r\n0123456789\r\n0\r\nX: y\r\n\r\n")
EVENTS = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"a\r\ndata: {}\n\n\r\n0\r\n\r\n"
)
EARLY = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
ANSWERS = (
    NEXT.join((ONE, TWO, ONE, LONG)),
    NEXT.join(
        (ONE, ONE.replace(b": 2", b": 02"), ONE.replace(b"Content-Length: 2", b"content-length:2"), TWO)
    ),
    NEXT.join((CHUNKED, ONE, CHUNKED, ONE)),
    NEXT.join((EVENTS, ONE, EVENTS)),
    NEXT.join((EARLY + ONE, ONE, EARLY + EARLY + ONE)),
    NEXT.join((ONE.replace(b"\r\nContent-Type", b"\r\nConnection: close\r\nContent-Type"), ONE)),
    NEXT.join((ONE.replace(b"HTTP/1.1", b"HTTP/1.0"), ONE)),
    NEXT.join(
        (b"HTTP/1.1 204 No Content\r\n\r\n", ONE, b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n", ONE)
    ),
    NEXT.join((ONE + ONE, ONE)),
    b"HTTP/1.1 200 OK\r\n\r\nuntil close",
)
WORDS = (
    *(b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\0", b" ", b"\t", b":", b",", b";", b"\xff", NEXT),
    *(b"HTTP/1.1 ", b"HTTP/1.0 ", b"200", b"204", b"304", b"100", b"101", b"OK", b"ICE/1.0"),
    *(b"Content-Length: ", b"Transfer-Encoding: chunked", b"Connection: close", b"Connection: keep-alive"),
    *(
        b"Keep-Alive: timeout=5",
        b"Content-Type: text/event-stream",
        b"Content-Encoding: gzip",
        b"Upgrade: h2c",
    ),
    *(b"0\r\n\r\n", b"5\r\nhello\r\n", b"0005", b"\r\n\r\n{}"),
)

TARGETS = (
    Target(
        "answers",
        fuzz_answers,
        tuple(cut + one for one in ANSWERS for cut in (b"\7", b"\0")),
        WORDS,
        guided=True,
    ),
    Target(
        "answer_peers",
        fuzz_answer_peers,
        (*(one.partition(NEXT)[0] for one in ANSWERS), *corpus_responses.corpus()[::50]),
        WORDS,
        guided=True,
    ),
)
