"""A server's answer as the caller's era knows it."""

from typing import Any, Final

import msgspec

from doorward.model.call import Era, Reply, RpcError
from doorward.model.reasons import Reason
from doorward.model.verdict import Permit
from doorward.upstream import outcome, visits
from doorward.upstream.failure import failure
from doorward.upstream.live import Answer
from doorward.upstream.outcome import SMALL
from doorward.upstream.rounds import Rounds
from doorward.wire import bridge, jsonrpc
from doorward.wire.errors import BridgeUnsupported, WireError
from doorward.wire.members import members_of
from doorward.wire.presentable import SIGNATURE
from doorward.wire.replies import DENSE, dense

OUR_CODES: Final = range(-31099, -31000)
"""Of JSON-RPC errors by which the gateway refuses (pipeline/rescue.py)."""
_DECISION: Final = "decision_id"
_REASONS: Final = frozenset(reason.value for reason in Reason)
_LF: Final = 10
_CR: Final = 13
_RESULT: Final = b'{"result":'
_TO_ID: Final = b'{"jsonrpc":"2.0","id":'
_ID_AT: Final = len(_TO_ID)
_TO_RESULT: Final = b',"result":'
"""As the Python SDK and most others write it. In parts, because filling in the id is dearer than that."""
_RESULT_FIRST: Final = b',"jsonrpc":"2.0","id":%b}'
"""As the TypeScript SDK does."""
SHORT: Final = 16 * 1024
"""Bytes of a result that may be no more than the handle of a task."""
_ABSENT: Final = msgspec.Raw()
_COMPLETE: Final = b'"complete"'


class _Seen(msgspec.Struct, gc=False, rename={"meta": "_meta", "error": "isError", "kind": "resultType"}):
    """The members of a result that are looked at; of one that comes twice, the last.

    Whether they are there and what they say, but not built: a server may put megabytes of anything there.
    """

    meta: msgspec.Raw = _ABSENT
    error: msgspec.Raw = _ABSENT
    kind: msgspec.Raw = _ABSENT


_seen: Final = msgspec.json.Decoder(_Seen).decode


def incoming(permit: Permit, era: Era, answer: Answer, upstream_s: float, rounds: Rounds) -> Reply:
    """`era` is the server's. Raises UpstreamError(BRIDGE_UNSUPPORTED | UPSTREAM_PROTOCOL_ERROR), and what
    `rounds` raises for a server that needs input from the client, or another round."""
    call, server = permit.call, rounds.server
    if isinstance(answer, jsonrpc.UpstreamError):
        if answer.code == bridge.CAPABILITY_MISSING:  # the Python SDK says it in the legacy era, too
            rounds.explain_missing(call, era, answer.data)
        if answer.code == visits.CODE:
            rounds.visit(call, era, answer.data)
        code, message, data = bridge.error_down(*disowned(answer), upstream_era=era, caller_era=call.era)
        error = RpcError(code, message, data)
        return Reply(None, error, outcome.of_error(error), upstream_s)
    try:
        said = answer.result if _quiet(answer.result) else unsigned(answer.result)
    except WireError as error:
        raise failure(Reason.UPSTREAM_PROTOCOL_ERROR, server, f"sent an unusable result: {error}") from error
    if era is Era.LEGACY and call.method == "tools/call" and hands_out_a_task(said):
        text = "sent an unusable result: it hands out a task, which was not offered to it"
        raise failure(Reason.UPSTREAM_PROTOCOL_ERROR, server, text)
    if era is call.era:  # as `bridge.result_down` has it
        if era is Era.MODERN:
            said = _modern(permit, said, rounds)
        return Reply(said, None, outcome.of_result(call.method, said), upstream_s)
    try:
        result = bridge.result_down(
            said,
            call.method,
            upstream_era=era,
            caller_era=call.era,
            caller_version=call.version,
        )
    except BridgeUnsupported as error:
        rounds.incoming(permit, said)  # says what it is that is not complete, and what follows
        raise failure(
            Reason.BRIDGE_UNSUPPORTED, server, f"answered what the caller's era cannot carry: {error}"
        ) from error
    except WireError as error:
        raise failure(Reason.UPSTREAM_PROTOCOL_ERROR, server, f"sent an unusable result: {error}") from error
    return Reply(result, None, outcome.of_result(call.method, result), upstream_s)


def _modern(permit: Permit, said: bytes, rounds: Rounds) -> bytes:
    """A result of 2026-07-28 for a caller of it."""
    if not _complete(said):
        return rounds.incoming(permit, said)
    if permit.call.method not in bridge.CACHEABLE:
        return said
    try:
        return bridge.kept_by_one(said)
    except WireError as error:
        text = f"sent an unusable result: {error}"
        raise failure(Reason.UPSTREAM_PROTOCOL_ERROR, rounds.server, text) from error


def hands_out_a_task(result: bytes) -> bool:
    """Whether it is a CreateTaskResult (2025-11-25): it has a `task`, and none of the content that every
    result of a tool must have. Nobody here could ask for what becomes of it. They are short."""
    if len(result) > SHORT or (result.find(b'"task"') < 0 and result.find(b"\\u") < 0):
        return False
    try:
        members = members_of(result)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError, WireError):
        return False
    return "task" in members and "content" not in members


def disowned(error: jsonrpc.UpstreamError) -> tuple[int, str, Any]:
    """Code, message and data of a server's error, so that nobody takes it for a refusal of ours."""
    code = bridge.INTERNAL_ERROR if error.code in OUR_CODES else error.code
    data = error.data
    if isinstance(data, msgspec.Raw):
        try:
            data = members_of(data)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            return code, error.message, data  # no object: nothing in it has a name
        except WireError:
            return code, error.message, None
    if not isinstance(data, dict):
        return code, error.message, data
    kept = {name: value for name, value in data.items() if not _speaks_as_we_do(name, value)}
    return code, error.message, data if len(kept) == len(data) else kept


def _speaks_as_we_do(name: str, value: Any) -> bool:
    """Whether a member of an error's data is one by which the gateway explains a refusal."""
    if name == "reason":
        word = _text(value) if isinstance(value, msgspec.Raw) else value
        return isinstance(word, str) and word in _REASONS
    return name == _DECISION


def _text(raw: msgspec.Raw) -> str | None:
    try:
        return msgspec.json.decode(raw, type=str)
    except msgspec.MsgspecError:
        return None


def usual(body: bytes, number: bytes) -> bytes | None:
    """The result in `body`, where it is the plain answer to request `number` and a success to be relayed.

    None where anything is left to be judged: another form of answer, a tool's error, a result so small that
    it may be empty, or a `_meta`, in which somebody may sign as we do.
    """
    at = _ID_AT + len(number)
    if (
        body.startswith(_TO_ID)
        and body.startswith(number, _ID_AT)
        and body.startswith(_TO_RESULT, at)
        and body.endswith(b"}")
    ):
        result = body[at + len(_TO_RESULT) : -1]
    else:
        last = _RESULT_FIRST % number
        if not body.startswith(_RESULT) or not body.endswith(last):
            return None
        result = body[len(_RESULT) : -len(last)]
    # One way to read it: what stands around the result is known, and the result is one whole object.
    if len(result) <= SMALL or not result.startswith(b"{") or _LF in result or _CR in result:
        return None
    if len(result) > DENSE and dense(result):
        return None
    try:
        if not result.isascii():
            result.decode()  # msgspec does not look into the strings that it skips
        seen = _seen(result)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None
    failed = seen.error is not _ABSENT and bytes(seen.error) == b"true"
    if seen.kind is not _ABSENT and bytes(seen.kind) != _COMPLETE:
        return None
    return result if seen.meta is _ABSENT and not failed else None


def _complete(result: bytes) -> bool:
    """Whether it says so, or says nothing of it, in the usual spelling."""
    try:
        kind = _seen(result).kind
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return False
    return kind is _ABSENT or bytes(kind) == _COMPLETE


def _quiet(result: bytes) -> bool:
    """Whether it has no `_meta` at all, however that is spelled."""
    try:
        return _seen(result).meta is _ABSENT
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return False


def unsigned(result: bytes) -> bytes:
    """The result without our own keys in its `_meta`, whatever way they are spelled; else untouched.

    Raises WireError for one that is too large to be taken apart.
    """
    try:
        members = members_of(result)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return result
    # Readers differ in which of two members of one name they take: only one may be left.
    once = result.count(b"_meta") + result.count(b"\\u") <= 1
    try:
        meta = members_of(members["_meta"]) if "_meta" in members else {}
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return result if once else msgspec.json.encode(members)  # no object: it says nothing in our name
    kept = {name: value for name, value in meta.items() if not name.startswith(SIGNATURE)}
    if len(kept) == len(meta) and (once or "_meta" not in members):
        return result
    return msgspec.json.encode({**members, "_meta": kept})
