"""Our parsers against h11, llhttp and Node, over everything that RFC 9112 leaves to interpretation.

docs/reference/http-differentials.md is the table of what may differ, and why. Anything else fails here.
"""

import random
from collections.abc import Iterator, Sequence
from itertools import pairwise

import pytest

from tests.attack.framing import corpus, corpus_responses, explained, node, requests, responses
from tests.attack.framing.judge import EDGE, SIDES, UPSTREAM, Side, judge
from tests.attack.framing.view import End, View, difference
from tests.e2e.support import servers

CORPORA = {EDGE.name: corpus.corpus(), UPSTREAM.name: corpus_responses.corpus()}
SIDE = pytest.mark.parametrize("side", SIDES, ids=lambda side: side.name)


@pytest.fixture(scope="module")
def nodejs() -> Iterator[node.Node]:
    with node.running(servers.node()) as running:
        yield running


@SIDE
def test_nothing_differs_that_is_not_explained_and_every_explanation_is_needed(
    side: Side, nodejs: node.Node
) -> None:
    inputs = CORPORA[side.name]
    found = judge(side, inputs, nodejs)
    assert found.unexplained == []
    assert set(found.explained) == {rule.name for rule in side.rules}
    assert found.inputs > 25_000
    assert found.accepted > 3_000  # a parser that refuses everything would agree with everyone
    assert found.comparisons == len(inputs) * (len(side.peers) + 1)


@SIDE
def test_the_whole_corpus_reads_the_same_however_it_is_cut(side: Side) -> None:
    chance = random.Random(4)
    for data in CORPORA[side.name]:
        marks = sorted({0, len(data), *(chance.randint(0, len(data)) for _ in range(3))})
        pieces = [data[a:b] for a, b in pairwise(marks)]
        whole, cut = side.ours([data]), side.ours(pieces)
        if whole.end is End.OPEN and cut.end is End.CLOSED and side is UPSTREAM:
            assert data[-1:] in (b"\r", b"\n"), data  # a line end that came too late to belong to the answer
            assert whole.messages == cut.messages
        else:
            assert (whole.messages, whole.end) == (cut.messages, cut.end), data


POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"


@pytest.mark.parametrize(
    ("theirs", "said"),
    [
        (View((), End.REFUSED, "bad"), "refused before message 0"),
        (View((), End.PARTIAL), "partial before message 0"),
        (requests.doorward([POST + POST]), "one message more"),
        (requests.doorward([POST.replace(b"hi", b"ho")]), "body of message 0"),
        (requests.doorward([POST.replace(b"POST /", b"POST /a")]), "start of message 0"),
        (requests.doorward([POST.replace(b"Host: a", b"Host: b")]), "fields of message 0"),
        (requests.doorward([POST + b"GET"]), "ends partial"),
    ],
)
def test_a_difference_is_seen(theirs: View, said: str) -> None:
    ours = requests.doorward([POST])
    assert difference(ours, ours) is None
    assert said in (difference(ours, theirs) or "")


def test_a_planted_difference_is_not_explained_away() -> None:
    def deaf(pieces: Sequence[bytes]) -> View:
        """Ours, but blind to Transfer-Encoding."""
        return requests.doorward([b"".join(pieces).replace(b"Transfer-Encoding: chunked\r\n", b"")])

    side = Side("planted", deaf, EDGE.peers, EDGE.kind, EDGE.rules)
    smuggled = corpus.chunked(b"5\r\nhello\r\n0\r\n\r\n")
    found = judge(side, [smuggled, b"\r\n" + smuggled], None)
    assert {(peer, data) for peer, data, _ in found.unexplained} == {
        (peer, data) for peer in EDGE.peers for data in (smuggled, b"\r\n" + smuggled)
    }


def test_the_page_is_the_table() -> None:
    assert explained.PAGE.read_text(encoding="utf-8") == explained.page()


def test_the_peers_read_a_plain_answer_as_we_do(nodejs: node.Node) -> None:
    data = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
    ours = responses.doorward([data])
    (message,) = ours.messages
    assert (message.start, message.body, ours.end) == ((b"200",), b"hello", End.OPEN)
    assert responses.via_h11(data).messages == nodejs.ask(node.RESPONSES, [data])[0].messages == ours.messages
