"""What we accept and a peer refuses or reads differently, each with its reason. Anything else is a fault.

A row is checked, not believed: the same bytes without what is disputed must be understood alike by everyone.
`python -m tests.attack.framing.explained` writes docs/reference/http-differentials.md.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.attack.framing import disputed
from tests.attack.framing.view import View, difference

PAGE = Path(__file__).parents[3] / "docs/reference/http-differentials.md"
HEAD = """# Where HTTP parsers differ

Smuggling needs two parsers that read the same bytes differently. So ours is held against h11, llhttp (by
httptools) and Node's server and client: over more than 50,000 inputs that are generated systematically
(`tests/attack/framing/`), and over mutations of them in `make fuzz`. **What any of them refuses or frames
differently, Doorward refuses, but for the rows below.** A row is checked, not believed: without what it
names, the same bytes must be understood alike by all. `tests/attack/test_http_differentials.py` fails on
any other difference and on a row that is not needed; this page is written by `python -m
tests.attack.framing.explained`.

A message that is not whole is not compared: nothing of it is handed over before its end has come.

Answers go through llhttp as a whole. What it alone would let pass is refused in `upstream/framing.py`:
other protocols and versions, status codes below 100, interim answers with a body, a second or unknown
transfer coding, any on HTTP/1.0, lengths of more than 18 digits; trailers are dropped,
and one that frames is refused."""
COLUMNS = "| what | peers | they | Doorward | why that is safe |\n| --- | --- | --- | --- | --- |"
Ask = Callable[[bytes], View]


@dataclass(frozen=True)
class Explanation:
    """`without` takes what is disputed out of the input."""

    name: str
    peers: tuple[str, ...]
    theirs: str
    ours: str
    why: str
    without: Callable[[bytes], bytes]


REQUESTS = (
    Explanation(
        name="an empty line before a request",
        peers=("h11", "llhttp", "node"),
        theirs="h11 refuses it; llhttp and Node skip any number and count none as the beginning of a request",
        ours="one is skipped, a second is refused; one that nothing follows is waited behind",
        why="RFC 9112 section 2.2: a server should ignore at least one, for clients that send CR LF "
        "after a body. It is part of no message, so nothing moves",
        without=disputed.no_empty_lines,
    ),
    Explanation(
        name="`Upgrade: h2c`",
        peers=("h11", "llhttp", "node"),
        theirs="h11 reports the fields; llhttp and Node stop behind head or message, for somebody else "
        "to go on",
        ours="Upgrade, HTTP2-Settings and their Connection tokens leave the head, which then counts as "
        "it stands",
        why="RFC 9110 section 7.8: a server may ignore an offered upgrade. The JDK's default client "
        "offers it with its first request; every other Upgrade is refused",
        without=disputed.edit_heads(disputed.no_h2c),
    ),
    Explanation(
        name="keep-alive on HTTP/1.0",
        peers=("h11", "node"),
        theirs="closed after the answer",
        ours="kept open when asked for with `Connection: keep-alive`",
        why="RFC 9112 section 9.3. The length of such a request is never in doubt: Transfer-Encoding "
        "is refused on HTTP/1.0",
        without=disputed.up_to_http_1_0,
    ),
    Explanation(
        name="`Proxy-Connection: close`",
        peers=("llhttp", "node"),
        theirs="counts like `Connection: close`",
        ours="an ordinary field without a meaning",
        why="RFC 9112 appendix C.2.2 advises against the field. Where ours goes on, the peer refuses "
        "what follows",
        without=disputed.edit_heads(disputed.no_proxy_connection),
    ),
)

RESPONSES = (
    Explanation(
        name="keep-alive on HTTP/1.0",
        peers=("h11",),
        theirs="closed after the answer",
        ours="kept open when the server offers it with `Connection: keep-alive`",
        why="RFC 9112 section 9.3. The length of such an answer is never in doubt: Transfer-Encoding "
        "is refused on HTTP/1.0",
        without=disputed.no_http_1_0_keep_alive,
    ),
    Explanation(
        name="control characters in a reason phrase",
        peers=("h11",),
        theirs="refused",
        ours="read over",
        why="the phrase is never read, kept or passed on, and it cannot hold a line end (llhttp "
        "refuses that)",
        without=disputed.plain_reason,
    ),
    Explanation(
        name="leading zeros in a chunk size",
        peers=("h11",),
        theirs="refuses a size of more than 20 digits",
        ours="any number of zeros",
        why="the same number either way; one that is too large overflows and is refused, and endless "
        "framing is cut at 32 KiB",
        without=disputed.short_sizes,
    ),
    Explanation(
        name="line ends behind an answer",
        peers=("h11",),
        theirs="left over, so the connection is not used again",
        ours="skipped when they come in one piece with the answer; whatever comes later ends the connection",
        why="no message can begin or end with them, so the next answer is not touched",
        without=disputed.no_lines_between,
    ),
)


def explain(
    data: bytes, peer: str, ours: Ask, theirs: Ask, rules: Sequence[Explanation]
) -> list[Explanation] | None:
    """The rows without whose subject there is no difference; None when no row accounts for it."""
    known = [rule for rule in rules if peer in rule.peers]
    for several in (*([rule] for rule in known), known):
        stripped, used = data, []
        for rule in several:
            left = rule.without(stripped)
            if left != stripped:
                stripped, used = left, [*used, rule]
        if used and _agree(ours(data), ours(stripped), theirs(stripped)):
            return used
    return None


def _agree(before: View, ours: View, theirs: View) -> bool:
    """Taking it out changed nothing that we understand, and left nothing to differ about."""
    was = [(one.start, one.body) for one in before.messages[: len(ours.messages)]]
    return was == [(one.start, one.body) for one in ours.messages] and difference(ours, theirs) is None


def page() -> str:
    """docs/reference/http-differentials.md."""
    lines = [HEAD]
    for title, rules in (("Requests, at the edge", REQUESTS), ("Answers, from servers", RESPONSES)):
        lines += [
            "",
            f"## {title}",
            "",
            "| what | peers | they | Doorward | why that is safe |",
            "| --- | --- | --- | --- | --- |",
        ]
        lines += [
            f"| {one.name} | {', '.join(one.peers)} | {one.theirs} | {one.ours} | {one.why} |"
            for one in rules
        ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
