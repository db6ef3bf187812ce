"""Questions in the middle of a call where caller and server are of different eras.

This is the one place where they end, and where carrying them would begin: a legacy caller's call goes through
the rounds that a modern server wants (`further`), a modern caller's is ended by what a legacy server asks
(`ended`). Neither way anybody waits for what cannot come.
"""

from collections.abc import Collection, Iterable
from typing import Any, Final

from doorward.model.call import Call
from doorward.model.errors import CallerError, PolicyError, UpstreamError
from doorward.model.reasons import Reason
from doorward.upstream.failure import failure
from doorward.wire import asking
from doorward.wire.asking import Objection, Question
from doorward.wire.input_required import InputRequired

MAX_ROUNDS: Final = 8
"""Of one call: as many as the official TypeScript SDK makes for its legacy clients (research brief 3)."""
CANCEL_AFTER_S: Final = 5.0
"""From the refusal of a question to the cancellation of its call. Most tools end over the refusal, and
version 1 of the official Python SDK loses a session, with all calls in it, in which a cancellation meets the
end of its call: so a server that was not given the machine for a while must not find both at once."""
UNASKED: Final = "its client cannot be asked"
_ALL: Final = tuple(asking.KINDS.values())


class Unfinished(Exception):
    """A modern server wants another round of a legacy caller's call, and may."""

    def __init__(self, asked: InputRequired) -> None:
        super().__init__()
        self.asked = asked


def further(server: str, asked: InputRequired) -> dict[str, Any]:
    """What the next round says beside the call itself.

    Raises UpstreamError(BRIDGE_UNSUPPORTED) where its client would have to be asked.
    """
    if asked.questions:
        raise unbridged(server, sorted({str(question.kind) for question in asked.questions}))
    return {} if asked.state is None else {"requestState": asked.state}


def endless(server: str) -> UpstreamError:
    """A server that is never done."""
    text = f"wants more than {MAX_ROUNDS} rounds of one call"
    return failure(Reason.UPSTREAM_PROTOCOL_ERROR, server, text)


def ended(
    server: str, question: Question, call: Call, may_ask: Collection[str]
) -> CallerError | UpstreamError | None:
    """How a modern caller's call ends about which a legacy server asks.

    None where the operator does not let it: it has its refusal, and may know what to do without.
    """
    if question.kind not in may_ask:
        return None
    if asking.judge(question, call.capabilities, _ALL, call.version) is Objection.UNDECLARED:
        return undeclared(server, question)
    return unbridged(server, [str(question.kind)])


def forbidden(server: str, kind: str | None) -> PolicyError:
    """The operator's word, which comes before the client's and before the eras'."""
    text = f"server {server} needs {kind} from its client, which it may not ask for"
    return PolicyError(Reason.ASK_NOT_ALLOWED, text, data={"server": server})


def undeclared(server: str, question: Question) -> CallerError:
    """What 2026-07-28 demands where a client has not declared what a call takes."""
    text = f"server {server} needs {question.kind} from its client, which was not declared"
    data = {"requiredCapabilities": question.needs, "server": server}
    return CallerError(Reason.CAPABILITY_MISSING, text, data=data)


def unbridged(server: str, kinds: Iterable[str]) -> UpstreamError:
    """The eras keep a server from asking its client."""
    text = f"needs {' and '.join(kinds)} from its client during a call, which is not carried across eras"
    return failure(Reason.BRIDGE_UNSUPPORTED, server, text)
